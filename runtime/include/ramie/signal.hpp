// Signals for fibers.
//
//     auto stop = ramie::on_signal(SIGTERM, [&] { server.stop(10s); });   // until `stop` is gone
//     ...
//     ramie::wait_signal({SIGINT, SIGTERM});                              // or wait here
//     ramie::signal_set reload{SIGHUP};                                   // or again and again:
//     while (reload.wait()) read_configuration();
//
// A signal that is wanted by anyone in the process, on whatever thread, goes to all who want it,
// and has its old effect again when the last of them is gone. As with the kernel's own standard
// signals, those of one number that arrive before anyone looks count as one; no flood of one number
// hides another. Not for SIGKILL and SIGSTOP, nor for SIGSEGV, SIGBUS, SIGFPE and SIGILL, after
// which a program cannot go on: std::invalid_argument. A forked child begins without.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>

#include "ramie/deadline.hpp"
#include "ramie/fiber.hpp"

namespace ramie {

namespace detail {
class signal_receiver;
}

// The first of `signals` that arrives during the call, the lowest of several; nothing at the
// deadline. What it does not return, also because it was killed, is kept for the next call on this
// thread that asks for it. Between two calls a signal has its old effect: who wants it then, too,
// makes a signal_set. Suspends the calling fiber.
std::optional<int> wait_signal(std::initializer_list<int> signals, deadline until = {});

// Signals that are kept from now on until somebody asks for them.
class signal_set {
  public:
    // Throws std::invalid_argument, std::system_error. Never suspends.
    signal_set(std::initializer_list<int> signals);
    ~signal_set();
    signal_set(const signal_set&) = delete;
    signal_set& operator=(const signal_set&) = delete;

    // The number of one that has arrived, the lowest first; nothing at the deadline. Throws
    // std::system_error (EBADF) when the set goes meanwhile. Suspends the calling fiber.
    std::optional<int> wait(deadline until = {});

    // None arrives any more. Never suspends.
    void close() noexcept;

  private:
    friend std::optional<int> wait_signal(std::initializer_list<int>, deadline);
    std::uint64_t end() noexcept;  // returns what arrived and was not asked for

    std::unique_ptr<detail::signal_receiver> receiver_;
    std::uint64_t arrived_ = 0;
};

// Calls `f` in a fiber whenever `signal` arrives, as long as the result lives. It may suspend;
// calls do not overlap, what arrives during one is one call after it. One that throws is reported
// as an unhandled exception. Keeps no run() from ending; while it waits, nothing is a deadlock.
// Belongs to the calling thread. Never suspends.
class [[nodiscard]] signal_subscription {
  public:
    ~signal_subscription() { cancel(); }
    signal_subscription(signal_subscription&&) noexcept = default;
    signal_subscription& operator=(signal_subscription&&) = delete;

    // No call begins any more; one that is under way goes on. Never suspends.
    void cancel() noexcept;

    // True while a call may still begin or is under way. Never suspends.
    [[nodiscard]] bool active() const noexcept;

  private:
    friend signal_subscription on_signal(int, std::function<void()>);
    struct state;
    struct listener;
    signal_subscription(int signal, std::function<void()> f);

    std::shared_ptr<state> state_;
    fiber<> runner_;
};
signal_subscription on_signal(int signal, std::function<void()> f);

}  // namespace ramie
