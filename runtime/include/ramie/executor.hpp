// Work that is handed over and asked for later, on threads or in fibers.
//
//     ramie::thread_executor threads(4);                 // or ramie::fiber_executor fibers(100);
//     auto sum = threads.submit([data] { return add_up(data); });
//     sum.add_done_callback([] { log("there it is"); });
//     use(sum.get(5s));
//
// A future may be asked from the fibers of any thread. Work for threads must own what it uses.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramie/deadline.hpp"
#include "ramie/detail/future_state.hpp"
#include "ramie/detail/thread_job.hpp"
#include "ramie/pool.hpp"
#include "ramie/thread_pool.hpp"

namespace ramie {

// The result of submitted work. Copies share it.
template <class R>
class future {
  public:
    explicit future(std::shared_ptr<detail::future_value<R>> state) : state_(std::move(state)) {}

    // What the work returned or threw; throws timeout_expired at the deadline, future_cancelled.
    // Suspends the calling fiber.
    R get(deadline until = {}) const {
        state_->wait_for_value(until);
        if constexpr (!std::is_void_v<R>) return *state_->value;
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

    // Calls `f` once it is done, at once if it is: on the thread that finishes it, where `f` must
    // neither suspend nor throw. Callable from any thread.
    void add_done_callback(std::function<void()> f) const { state_->when_done(std::move(f)); }

  private:
    std::shared_ptr<detail::future_value<R>> state_;
};

class executor {
  public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    // Has `f()` called. Throws std::logic_error after shutdown(). Suspends the calling fiber if the
    // executor has a bound and that is reached.
    template <class F>
    auto submit(F f) -> future<std::invoke_result_t<F&>> {
        auto state = std::make_shared<detail::future_value<std::invoke_result_t<F&>>>();
        keep(state);
        execute([state, f = std::move(f)]() mutable { state->run(f); });
        return future(state);
    }

    // A future of `f(item)` for every item, in order.
    template <std::ranges::input_range Range, class F>
    auto map(const Range& items, F f) {
        using item = std::ranges::range_value_t<Range>;
        std::vector<future<std::invoke_result_t<F&, item&>>> all;
        for (const item& each : items)
            all.push_back(submit([f, each]() mutable { return f(each); }));
        return all;
    }

    // Takes no more work; cancels what has not begun, if `cancel_pending`, and waits for the rest,
    // if `wait`. Suspends the calling fiber.
    void shutdown(bool wait = true, bool cancel_pending = false);

  protected:
    virtual void execute(detail::thread_job::function) = 0;

  private:
    void keep(std::shared_ptr<detail::future_state>);

    detail::thread_lock mutex_;  // held for a few instructions, never across a suspension
    std::vector<std::shared_ptr<detail::future_state>> unfinished_;
    bool shut_ = false;
};

// On threads of its own, or of a pool that outlives it.
class thread_executor final : public executor {
  public:
    // Never suspends.
    explicit thread_executor(std::size_t threads) : own_(std::in_place, 0, threads), pool_(*own_) {}
    explicit thread_executor(thread_pool& pool) : pool_(pool) {}

  private:
    void execute(detail::thread_job::function work) override { pool_.submit(std::move(work)); }
    std::optional<thread_pool> own_;
    thread_pool& pool_;
};

// In fibers of the calling thread, at most `limit` at a time.
class fiber_executor final : public executor {
  public:
    // Never suspends.
    explicit fiber_executor(std::size_t limit) : pool_(limit) {}

  private:
    void execute(detail::thread_job::function work) override { pool_.apply_async(std::move(work)); }
    pool pool_;
};

// When wait() has seen enough.
enum class wait_until { first_completed, first_exception, all_completed };

// Waits until one, or all, of `futures` are done, or one has failed; the numbers of those that are
// done. At the deadline those that are done by then. Suspends the calling fiber.
template <std::ranges::random_access_range Range>
std::vector<std::size_t> wait(const Range& futures, wait_until enough, deadline until = {}) {
    const auto missing =
        std::make_shared<detail::completion>(futures.size(), enough == wait_until::first_completed);
    for (const auto& each : futures)
        each.add_done_callback([missing, each, failing = enough == wait_until::first_exception] {
            missing->one_done(failing && each.exception() != nullptr);
        });
    missing->wait(until);
    std::vector<std::size_t> done;
    for (std::size_t i = 0; i != futures.size(); ++i)
        if (futures[i].done()) done.push_back(i);
    return done;
}

}  // namespace ramie
