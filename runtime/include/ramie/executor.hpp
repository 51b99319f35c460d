// Work that is handed over and asked for later, on threads or in fibers.
//
//     ramie::thread_executor threads(4);                 // or ramie::fiber_executor fibers(100);
//     auto sum = threads.submit([data] { return add_up(data); });
//     sum.add_done_callback([] { log("there it is"); });
//     use(sum.get(5s));
//     auto pages = threads.map(urls, fetch);             // the results in order
//
// Work for threads must own what it uses.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramie/deadline.hpp"
#include "ramie/detail/thread_job.hpp"
#include "ramie/future.hpp"
#include "ramie/thread_pool.hpp"

namespace ramie {

namespace detail {
// Work whose results nobody will take need not begin.
template <class Future>
struct cancelled_when_left {
    cancelled_when_left() = default;
    cancelled_when_left(const cancelled_when_left&) = delete;
    cancelled_when_left& operator=(const cancelled_when_left&) = delete;
    ~cancelled_when_left() {
        for (const Future& each : futures) each.cancel();
    }
    auto results(deadline until) const {
        using R = typename Future::result_type;
        return collect<R>(futures.size(),
                          [&, next = futures.begin()]() mutable { return next++->take(until); });
    }
    std::vector<Future> futures;
};
}  // namespace detail

class executor {
  public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    // One with threads of its own cancels what has not begun and waits for the rest, which blocks
    // the thread. The work of a fiber_executor, or in a pool that is another's, goes on.
    virtual ~executor() = default;

    // Has `f()` called. Throws std::logic_error after shutdown(). Suspends the calling fiber if the
    // executor has a bound and that is reached.
    template <class F>
    auto submit(F f) -> future<std::invoke_result_t<F&>> {
        using R = std::invoke_result_t<F&>;
        auto state = std::make_shared<detail::future_value<R>>();
        keep(state);
        execute(detail::future_work<R, F>(state, std::move(f)));
        return future<R>(state);
    }

    // `f(item)` of every item; the results in order. Throws what the first item in order threw, and
    // timeout_expired at the deadline; what has not begun then is cancelled. Suspends the calling
    // fiber.
    template <std::ranges::input_range Range, class F>
    auto map(const Range& items, F f, deadline until = {}) {
        using item = std::ranges::range_value_t<Range>;
        using R = std::invoke_result_t<F&, item&>;
        detail::cancelled_when_left<future<R>> all;
        for (const item& each : items)
            all.futures.push_back(submit([f, each]() mutable { return f(each); }));
        return all.results(until);
    }

    // Takes no more work; cancels what has not begun, if `cancel_pending`, and waits for the rest,
    // if `wait`; false at the deadline. Suspends the calling fiber.
    bool shutdown(bool wait = true, bool cancel_pending = false, deadline until = {});

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

// In fibers of the calling thread, at most `limit` at a time; work that waits has none yet.
class fiber_executor final : public executor {
  public:
    // Never suspends.
    explicit fiber_executor(std::size_t limit);

  private:
    class line;
    void execute(detail::thread_job::function work) override;
    std::shared_ptr<line> line_;
};

}  // namespace ramie
