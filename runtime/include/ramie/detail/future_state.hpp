// What the futures of <ramie/executor.hpp> share.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/deadline.hpp"

namespace ramie {

// The work was cancelled before it began. code() is ECANCELED.
class future_cancelled : public std::system_error {
  public:
    // Never suspends.
    future_cancelled() : system_error(ECANCELED, std::generic_category(), "ramie: future") {}
};

namespace detail {

// Callable from any thread, except for the waits, which suspend the calling fiber.
class future_state {
  public:
    bool cancel();
    bool begin();
    void finish(std::exception_ptr error);
    void when_done(std::function<void()>);
    bool wait(deadline until);
    void wait_for_value(deadline until);
    [[nodiscard]] bool done() const;
    [[nodiscard]] bool cancelled() const;
    [[nodiscard]] std::exception_ptr error() const;

  private:
    enum class stage : std::uint8_t { pending, running, done, cancelled };
    void end(stage, std::exception_ptr);

    mutable thread_lock mutex_;  // held for a few instructions, never across a suspension
    stage stage_ = stage::pending;
    std::exception_ptr error_;
    std::vector<std::function<void()>> callbacks_;
};

template <class R>
class future_value final : public future_state {
  public:
    // Calls `f` unless it was cancelled.
    template <class F>
    void run(F& f) {
        if (!begin()) return;
        try {
            if constexpr (std::is_void_v<R>)
                f();
            else
                value.emplace(f());
            finish(nullptr);
        } catch (...) {
            finish(std::current_exception());
        }
    }
    std::optional<std::conditional_t<std::is_void_v<R>, char, R>> value;
};

// Tells the fiber that made it when enough is done.
class completion {
  public:
    completion(std::size_t count, bool one) : missing_(one && count != 0 ? 1 : count) {
        if (missing_ == 0) enough_.set();
    }
    void one_done(bool suffices);
    void wait(deadline until) { enough_.wait(until); }

  private:
    thread_lock mutex_;
    std::size_t missing_;
    async_result<> enough_;
};

}  // namespace detail
}  // namespace ramie
