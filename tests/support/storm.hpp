#pragma once
// A handler that interrupts the process again and again, wherever it is.
//
//     const signal_storm storm(&handler);     // until the end of the scope

#include <sys/time.h>

#include <csignal>

#include "support/channels.hpp"

namespace ramie::test {

class signal_storm {
  public:
    explicit signal_storm(void (*handler)(int), int flags = SA_RESTART) {
        struct sigaction action {};
        action.sa_handler = handler;
        action.sa_flags = flags;
        must("sigaction", ::sigaction(SIGALRM, &action, &before_));
        set_interval(100);
    }
    ~signal_storm() {
        set_interval(0);
        ::sigaction(SIGALRM, &before_, nullptr);
    }
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;

  private:
    static void set_interval(long microseconds) {
        const itimerval each{{0, microseconds}, {0, microseconds}};
        must("setitimer", ::setitimer(ITIMER_REAL, &each, nullptr));
    }

    struct sigaction before_ {};
};

}  // namespace ramie::test
