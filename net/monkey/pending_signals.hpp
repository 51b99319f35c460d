// Signals that are blocked while a fiber waits and that its wait is for: by sigwait(), or because
// the mask of ppoll() and its like opens them.
#pragma once

#include <csignal>

#include "watching.hpp"

namespace ramie::monkey::detail {

// A descriptor that is readable while one of them is pending for the calling thread.
class pending_signals {
  public:
    pending_signals() noexcept = default;
    ~pending_signals();
    pending_signals(const pending_signals&) = delete;
    pending_signals& operator=(const pending_signals&) = delete;

    // Of these; at the first call.
    void watch(watch_list&, const sigset_t&) noexcept;

    // Of those that are blocked now and open in `mask`; null: none.
    void watch_opened(watch_list&, const sigset_t* mask) noexcept;

  private:
    int fd_ = -1;
};

// While it lives, what a mask lets in is for the calling fiber: no other fiber's call ends by it.
class signals_are_own {
  public:
    explicit signals_are_own(const sigset_t* mask) noexcept { are_own_ = mask != nullptr; }
    ~signals_are_own() { are_own_ = false; }
    signals_are_own(const signals_are_own&) = delete;
    signals_are_own& operator=(const signals_are_own&) = delete;

    // Async-signal-safe.
    static bool now() noexcept { return are_own_; }

  private:
    inline static constinit thread_local volatile bool are_own_
        __attribute__((tls_model("initial-exec"))) = false;
};

// Runs the handlers of what is pending and open in `mask`; true when there was one. Never suspends.
bool run_handlers_of(const sigset_t* mask) noexcept;

}  // namespace ramie::monkey::detail
