#pragma once
// A handler that interrupts the process again and again, wherever it is.
//
//     const signal_storm storm(&handler);     // until the end of the scope

#include <sys/time.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "support/channels.hpp"

namespace ramie::test {

// One at a time.
class signal_storm {
  public:
    explicit signal_storm(void (*handler)(int), int flags = SA_RESTART) {
        struct sigaction action {};
        action.sa_handler = &strike;
        action.sa_flags = flags;
        handler_ = handler;
        must("sigaction", ::sigaction(SIGALRM, &action, &before_));
        goes_on_ = true;
        set_timer(pause);
    }
    ~signal_storm() {
        goes_on_ = false;
        while (strikes_ != 0) std::this_thread::yield();  // on another thread
        set_timer(0);
        ::sigaction(SIGALRM, &before_, nullptr);
    }
    signal_storm(const signal_storm&) = delete;
    signal_storm& operator=(const signal_storm&) = delete;

  private:
    static constexpr long pause = 100;  // microseconds

    // The next one comes a while after this one has ended, so that a slow machine gets on, too.
    static void strike(int signal) {
        const int error = errno;
        ++strikes_;
        handler_(signal);
        if (goes_on_) set_timer(pause);
        --strikes_;
        errno = error;
    }
    static void set_timer(long microseconds) {
        const itimerval once{{0, 0}, {0, microseconds}};
        must("setitimer", ::setitimer(ITIMER_REAL, &once, nullptr));
    }

    static inline void (*handler_)(int) = nullptr;
    static inline std::atomic<bool> goes_on_{false};
    static inline std::atomic<int> strikes_{0};
    struct sigaction before_ {};
};

}  // namespace ramie::test
