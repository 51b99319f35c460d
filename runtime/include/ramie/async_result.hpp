// A value, or an exception, that arrives later; may be set from another thread.
//
//     ramie::async_result<std::string> reply;
//     std::thread([reply]() mutable { reply.set(compute()); }).detach();
//     use(reply.get());                 // the fiber waits, the thread goes on
//
// Copies share one result. The thread that constructs it is the one whose fibers may wait for it.
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/detail/thread_lock.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {
namespace detail {

class mailbox;

// The part that does not depend on the type of the value.
class async_state : public std::enable_shared_from_this<async_state> {
  public:
    async_state();
    // True when a value or exception is there; false at the deadline.
    bool wait(deadline until);
    // Like wait, but throws timeout_expired, and the exception if that is what arrived.
    void wait_for_value(deadline until);
    [[nodiscard]] bool ready() const noexcept;
    [[nodiscard]] std::exception_ptr exception() const noexcept;

    // It is there: `store` exchanges the value. What was there before is destroyed by the caller,
    // in `error` too: nothing of the user's runs under the lock.
    template <class Store>
    void finish(std::exception_ptr error, Store store) {
        {
            const std::lock_guard guard(mutex);
            store();
            error_.swap(error);
            done_ = true;
        }
        wake_waiters();
    }

    mutable thread_lock mutex;  // held for a few instructions, never across a suspension

  private:
    void wake_waiters();

    bool done_ = false;
    std::exception_ptr error_;
    std::shared_ptr<mailbox> home_;  // of the thread whose fibers wait
    wait_queue waiters_;
};

template <class T>
struct async_value final : async_state {
    std::shared_ptr<T> value;  // another one each time, so that who copies it needs no lock
};
template <>
struct async_value<void> final : async_state {};

}  // namespace detail

template <class T = void>
class async_result {
  public:
    // Never suspends.
    async_result() : state_(std::make_shared<detail::async_value<T>>()) {}

    // Sets the value and wakes all who wait; the last set wins. Callable from any thread.
    template <class... V>
    void set(V&&... value) {
        if constexpr (std::is_void_v<T>) {
            state_->finish(nullptr, [] {});
        } else {
            std::shared_ptr<T> made = std::make_shared<T>(std::forward<V>(value)...);
            state_->finish(nullptr, [&] { state_->value.swap(made); });
        }
    }

    // Callable from any thread.
    void set_exception(std::exception_ptr error) {
        state_->finish(std::move(error), [] {});
    }

    // Waits for it; true when it is there, false at the deadline. Suspends the calling fiber.
    bool wait(deadline until = {}) const { return state_->wait(until); }

    // A copy of the value; rethrows the exception; throws timeout_expired at the deadline. Suspends
    // the calling fiber.
    T get(deadline until = {}) const {
        state_->wait_for_value(until);
        if constexpr (!std::is_void_v<T>) {
            return *value();
        }
    }

    // The same, moved out, for what cannot or should not be copied. For one asker: what a move
    // leaves behind is all that others get after that. Suspends the calling fiber.
    T take(deadline until = {}) const {
        state_->wait_for_value(until);
        if constexpr (!std::is_void_v<T>) {
            return std::move(*value());
        }
    }

    // Callable from any thread.
    [[nodiscard]] bool ready() const noexcept { return state_->ready(); }
    [[nodiscard]] bool successful() const noexcept { return ready() && exception() == nullptr; }
    [[nodiscard]] std::exception_ptr exception() const noexcept { return state_->exception(); }

  private:
    auto value() const {
        const std::lock_guard guard(state_->mutex);
        return state_->value;
    }

    std::shared_ptr<detail::async_value<T>> state_;
};

}  // namespace ramie
