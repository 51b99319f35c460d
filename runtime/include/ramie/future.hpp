// Results that are asked for later. Included by <ramie/executor.hpp>.
//
//     std::vector<ramie::future<page>> pages = ...;
//     for (auto& each : ramie::as_completed(pages, 10s)) show(each.get());
//     auto [done, pending] = ramie::wait(pages, ramie::wait_until::first_exception, 10s);
//
// A future may be asked from the fibers of any thread.
#pragma once

#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramie/deadline.hpp"
#include "ramie/detail/future_state.hpp"
#include "ramie/detail/item_iterator.hpp"
#include "ramie/errors.hpp"
#include "ramie/mutex.hpp"

namespace ramie {

// The result of submitted work. Copies share it.
template <class R>
class future {
  public:
    using result_type = R;
    explicit future(std::shared_ptr<detail::future_value<R>> state) : state_(std::move(state)) {}

    // A copy of what the work returned, or throws what it threw: future_cancelled when it was
    // cancelled, or the fiber that did it was killed; timeout_expired at the deadline. Suspends the
    // calling fiber.
    R get(deadline until = {}) const {
        state_->wait_for_value(until);
        if constexpr (!std::is_void_v<R>) return *state_->value;
    }

    // The same, moved out, for what cannot or should not be copied. For one asker: what a move
    // leaves behind is all that other copies of this future give after that. Suspends the calling
    // fiber.
    R take(deadline until = {}) const {
        state_->wait_for_value(until);
        if constexpr (!std::is_void_v<R>) return std::move(*state_->value);
    }

    // True when it is done, false at the deadline. Suspends the calling fiber.
    bool wait(deadline until = {}) const { return state_->wait(until); }

    // True when the work has ended or was cancelled. Callable from any thread.
    [[nodiscard]] bool done() const { return state_->done(); }
    [[nodiscard]] bool cancelled() const { return state_->cancelled(); }

    // What the work threw, if it is done. Callable from any thread.
    [[nodiscard]] std::exception_ptr exception() const { return state_->error(); }

    // Keeps the work from beginning; false when it has begun. Callable from any thread.
    bool cancel() const { return state_->cancel(); }

    // Calls `f()`, or `f(future)`, once it is done, at once if it is: on the thread that finishes
    // it, where `f` must not suspend. What it throws is reported as an unhandled exception.
    // Callable from any thread.
    template <class F>
    void add_done_callback(F f) const {
        if constexpr (std::is_invocable_v<F&, const future&>)
            state_->when_done([f = std::move(f), self = *this]() mutable { f(self); });
        else
            state_->when_done(std::move(f));
    }

    // True when both are of the same work. Never suspends.
    friend bool operator==(const future&, const future&) noexcept = default;

    // For wait() and as_completed().
    [[nodiscard]] std::shared_ptr<detail::future_state> state() const noexcept { return state_; }

  private:
    std::shared_ptr<detail::future_value<R>> state_;
};

// When wait() has seen enough. A future that was cancelled is done; that is no exception.
enum class wait_until : std::uint8_t { first_completed, first_exception, all_completed };

namespace detail {
template <class Range>
auto states_of(const Range& futures) {
    std::vector<std::shared_ptr<future_state>> states;
    if constexpr (std::ranges::sized_range<Range>) states.reserve(std::ranges::size(futures));
    for (const auto& each : futures) states.push_back(each.state());
    return states;
}
void wait_for(const std::vector<std::shared_ptr<future_state>>&, wait_until, deadline);
}  // namespace detail

// What wait() returns, each part in the order of the range.
template <class Future>
struct waited {
    std::vector<Future> done;
    std::vector<Future> not_done;
};

// Waits until one, or all, of `futures` are done, or one has failed, or the deadline. Suspends the
// calling fiber.
template <std::ranges::input_range Range>
auto wait(const Range& futures, wait_until enough = wait_until::all_completed,
          deadline until = {}) {
    detail::wait_for(detail::states_of(futures), enough, until);
    waited<std::ranges::range_value_t<Range>> result;
    for (const auto& each : futures) (each.done() ? result.done : result.not_done).push_back(each);
    return result;
}

// The futures one by one as they are done: a range. get() and each step of its iteration suspend
// the calling fiber.
template <class Future>
class completed_range {
  public:
    using value_type = Future;
    completed_range(std::vector<Future> futures, deadline until)
        : futures_(std::move(futures)),
          left_(futures_.size()),
          until_(until),
          done_(detail::states_of(futures_)) {}

    // The next one. Those who ask take turns. Throws timeout_expired at the deadline,
    // queue_shutdown when there are no more. Suspends the calling fiber.
    Future get() {
        if (!turn_->lock(until_)) throw timeout_expired("as_completed");
        const std::lock_guard mine(*turn_, std::adopt_lock);
        if (left_ == 0) throw queue_shutdown();
        const auto next = done_.next(until_);
        if (!next) throw timeout_expired("as_completed");
        --left_;
        return futures_[*next];
    }
    detail::item_iterator<completed_range> begin() {
        return detail::item_iterator<completed_range>(*this);
    }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  private:
    std::vector<Future> futures_;
    std::size_t left_;
    deadline until_;
    detail::completions done_;
    std::unique_ptr<mutex> turn_ = std::make_unique<mutex>();
};

// `futures` as they are done; those that are done already come first. Throws timeout_expired from
// the iteration at the deadline. Never suspends.
template <std::ranges::input_range Range>
auto as_completed(const Range& futures, deadline until = {}) {
    using future_type = std::ranges::range_value_t<Range>;
    return completed_range<future_type>({std::ranges::begin(futures), std::ranges::end(futures)},
                                        until);
}

}  // namespace ramie
