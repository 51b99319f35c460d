// Something that is done later, once or again and again.
//
//     ramie::timer reminder(5s, [] { remind(); });
//     ramie::timer heartbeat(1s, 1s, [&] { peer.send(ping); });      // first, then every
//     ...
//     heartbeat.cancel();                                  // or leave its scope
//
// For one thread; the function runs in a fiber and may suspend.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "ramie/deadline.hpp"
#include "ramie/fiber.hpp"

namespace ramie {

class [[nodiscard]] timer {
  public:
    // Calls `f` once, at `when`. Never suspends.
    timer(deadline when, std::function<void()> f);

    // Calls `f` at `first` and then every `period`, which must be positive. Calls never overlap:
    // those that come due while one runs are left out. One that throws is reported as an unhandled
    // exception and does not stop the next. Never suspends.
    timer(deadline first, std::chrono::nanoseconds period, std::function<void()> f);

    // As cancel(). Never suspends.
    ~timer() { cancel(); }
    timer(timer&&) noexcept = default;
    timer& operator=(timer&&) = delete;

    // No call begins any more; one that is under way goes on. Never suspends.
    void cancel() noexcept;

    // True while a call may still begin or is under way. Never suspends.
    [[nodiscard]] bool active() const noexcept;

  private:
    struct state;
    static void run(const std::shared_ptr<state>&);

    std::shared_ptr<state> state_;
    fiber<> runner_;
};

}  // namespace ramie
