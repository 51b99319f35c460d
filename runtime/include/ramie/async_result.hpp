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
#include <optional>
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
    void wake_waiters();
    [[nodiscard]] bool ready() const noexcept;

    mutable thread_lock mutex;  // held for a few instructions, never across a suspension
    bool done = false;
    std::exception_ptr error;

  private:
    std::shared_ptr<mailbox> home_;  // of the thread whose fibers wait
    wait_queue waiters_;
};

template <class T>
struct async_value final : async_state {
    std::optional<T> value;
};
template <>
struct async_value<void> final : async_state {};

}  // namespace detail

template <class T = void>
class async_result {
  public:
    async_result() : state_(std::make_shared<detail::async_value<T>>()) {}

    // Sets the value and wakes all who wait; the last set wins. Callable from any thread.
    template <class... V>
    void set(V&&... value) {
        finish([&] {
            if constexpr (!std::is_void_v<T>) state_->value.emplace(std::forward<V>(value)...);
            state_->error = nullptr;
        });
    }

    // Callable from any thread.
    void set_exception(std::exception_ptr error) {
        finish([&] { state_->error = std::move(error); });
    }

    // Waits for it; true when it is there, false at the deadline. Suspends the calling fiber.
    bool wait(deadline until = {}) const { return state_->wait(until); }

    // The value; rethrows the exception; throws timeout_expired at the deadline. Suspends the
    // calling fiber.
    T get(deadline until = {}) const {
        state_->wait_for_value(until);
        if constexpr (!std::is_void_v<T>) {
            const std::lock_guard guard(state_->mutex);
            return *state_->value;
        }
    }

    // Callable from any thread.
    [[nodiscard]] bool ready() const noexcept { return state_->ready(); }
    [[nodiscard]] bool successful() const noexcept { return ready() && exception() == nullptr; }
    [[nodiscard]] std::exception_ptr exception() const noexcept {
        const std::lock_guard guard(state_->mutex);
        return state_->error;
    }

  private:
    template <class Store>
    void finish(Store store) {
        {
            const std::lock_guard guard(state_->mutex);
            store();
            state_->done = true;
        }
        state_->wake_waiters();
    }

    std::shared_ptr<detail::async_value<T>> state_;
};

}  // namespace ramie
