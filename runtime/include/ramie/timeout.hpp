// A time limit on everything that a scope waits for.
//
//     ramie::timeout limit{5s};
//     auto request = read_request(peer);      // any wait in here that lasts too long throws
//     limit.cancel();                         // timeout_expired; leaving the scope cancels too
//
// Scopes nest: the one that expired is thrown, no other. A fiber that computes without waiting is
// not interrupted. Expiry is thrown once; whoever swallows it lives on without the limit.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/errors.hpp"

namespace ramie {

class timeout final : private detail::time_limit {
  public:
    // Starts at once, for the calling fiber. With `error` that is thrown in place of
    // timeout_expired. Never suspends.
    explicit timeout(deadline until, std::exception_ptr error = nullptr)
        : time_limit(&timeout::expire),
          fiber_(detail::waiting_fiber("timeout")),
          error_(std::move(error)) {
        if (!until.is_never()) fiber_.note(*this, until.nanoseconds());
    }
    // As cancel(). Never suspends.
    ~timeout() { cancel(); }
    timeout(const timeout&) = delete;
    timeout& operator=(const timeout&) = delete;

    // Stops the clock; an expiry that was not thrown yet is forgotten. Never suspends.
    void cancel() noexcept {
        if (is_linked()) unlink();
        if (armed()) stop_timer();
    }

    // Stops the clock and starts it again. Never suspends.
    void restart(deadline until) noexcept;

    // True while it can still expire. Never suspends.
    [[nodiscard]] bool pending() const noexcept { return armed() || (is_linked() && !expired_); }

    // True once it has expired, thrown or not. Never suspends.
    [[nodiscard]] bool expired() const noexcept { return expired_; }

    // True when `e` was thrown by this scope. Never suspends.
    [[nodiscard]] bool owns(const timeout_expired& e) const noexcept { return e.owner() == this; }

  private:
    void start(deadline until) noexcept;
    void stop_timer() noexcept;
    [[noreturn]] void raise() override;
    [[nodiscard]] int error_number() const noexcept override;
    static void expire(detail::timer_node&) noexcept;

    detail::fiber_core& fiber_;
    std::exception_ptr error_;
    bool expired_ = false;
};

// `f()` under a time limit; throws timeout_expired when it is exceeded. Suspends the calling fiber
// when `f` does.
template <class F>
decltype(auto) with_timeout(deadline until, F&& f) {
    const timeout limit(until);
    return std::forward<F>(f)();
}

// The same, but returns `fallback` when this limit (not one around it) was exceeded. Suspends the
// calling fiber when `f` does.
template <class F, class Fallback>
auto with_timeout(deadline until, F&& f, Fallback&& fallback)
    -> std::common_type_t<std::invoke_result_t<F>, std::decay_t<Fallback>> {
    const timeout limit(until);
    try {
        return std::forward<F>(f)();
    } catch (const timeout_expired& e) {
        if (!limit.owns(e)) throw;
        return std::forward<Fallback>(fallback);
    }
}

}  // namespace ramie
