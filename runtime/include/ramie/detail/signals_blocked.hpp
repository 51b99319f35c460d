// All signals blocked for the rest of a scope, so that a thread made in it takes none. Never
// suspends; the scope must not be held across a suspension: the mask is the thread's.
#pragma once

#include <csignal>

namespace ramie::detail {

class signals_blocked {
  public:
    signals_blocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    signals_blocked(const signals_blocked&) = delete;
    signals_blocked& operator=(const signals_blocked&) = delete;

  private:
    sigset_t before_{};
};

}  // namespace ramie::detail
