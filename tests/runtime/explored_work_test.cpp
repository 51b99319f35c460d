// Timers, values of fibers and executors under every small schedule and many random ones, with
// fibers that are killed or give up while they wait; a pool of threads under many. Each model names
// a bug that was planted in the code to see it found.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "ramie/executor.hpp"
#include "ramie/local.hpp"
#include "ramie/thread_pool.hpp"
#include "ramie/timer.hpp"
#include "support/exploration.hpp"

namespace {

using namespace ramie::test;

using explored_timer = fiber_test;
using explored_local = fiber_test;
using explored_executor = fiber_test;
using explored_thread_pool = fiber_test;

// --- timer
// -----------------------------------------------------------------------------------------

// A call begins when it is due and not before, never after it was cancelled, and never while
// another one runs.
// Found: no look at `cancelled` in the loop of timer::run(); `next += late + period` there.
void call_until_cancelled(const pause_fn& pause) {
    constexpr std::chrono::nanoseconds period = 1ms;
    const deadline first = period;
    const auto now = [] { return deadline(0ms).nanoseconds(); };
    int once = 0;
    int often = 0;
    int calling = 0;
    bool is_cancelled = false;
    ramie::timer reminder(first, [&] { ++once; });
    ramie::timer heartbeat(first, period, [&] {
        require(!is_cancelled, "a cancelled timer calls no more");
        require((now() - first.nanoseconds()) % period.count() == 0,
                "a call begins when it is due");
        const inside here(calling, 1, "calls do not overlap");
        ++often;
        pause();
        if (often == 1) this_fiber::sleep_for(2500us);
    });
    crowd fibers(pause);
    fibers.add(fate::patient, [&](deadline) {
        this_fiber::sleep_for(1ms);
        pause();
        const int before = once;
        reminder.cancel();
        this_fiber::sleep_for(1h);
        require(once == before, "a cancelled timer calls no more");
    });
    fibers.add(fate::patient, [&](deadline) {
        this_fiber::sleep_for(6ms);
        pause();
        heartbeat.cancel();
        is_cancelled = true;
    });
    fibers.join();
    require(!reminder.active() && !heartbeat.active() && calling == 0, "a cancelled timer ends");
    require(often >= 2, "calls go on");
}

TEST_F(explored_timer, calls_until_it_is_cancelled_under_many_seeds) {
    ramie::testing::explore(seeds, [] { call_until_cancelled(pauses()); });
}

TEST_F(explored_timer, calls_until_it_is_cancelled_under_every_schedule) {
    EXPECT_GT(ramie::testing::explore_all([] { call_until_cancelled(ramie::testing::preempt); }),
              100U);
}

// --- local
// -----------------------------------------------------------------------------------------

// Each fiber has its own value, which ends with it, however that ends.
// Found: drop_locals_slowly() that forgets the fiber and drops nothing.
void keep_values(const pause_fn& pause, const fates& all) {
    struct value {
        int& alive;
        const pause_fn& pause;
        std::uint64_t owner = this_fiber::id();
        ~value() {
            pause();  // it may suspend
            --alive;
        }
    };
    int alive = 0;
    ramie::local<std::unique_ptr<value>> own([&] {
        ++alive;
        return std::unique_ptr<value>(new value{alive, pause});
    });
    {
        crowd fibers(pause);
        for (const fate f : all)
            fibers.add(f, [&](deadline) {
                require((*own)->owner == this_fiber::id(), "a value is new");
                fibers.linger();
                require((*own)->owner == this_fiber::id(), "a fiber keeps its own");
            });
        fibers.join();
    }
    require(alive == 0 && own.size() == 0, "a value ends with its fiber");
}

TEST_F(explored_local, ends_with_its_fiber_under_many_seeds) { under_many_seeds(keep_values); }

TEST_F(explored_local, ends_with_its_fiber_under_every_schedule) {
    under_every_schedule([](const pause_fn& pause, const fates& all) {
        keep_values(pause, {all[0], all[1]});
    });
}

// --- executor
// --------------------------------------------------------------------------------------

// Work runs once, or never if it was cancelled, not more of it than may; whoever asks gets its own
// result, and each callback is called once.
// Found: begin() that begins what was cancelled; end() that calls the first callback only.
void run_work(const pause_fn& pause, const fates& all) {
    const std::size_t limit = all.size() / 2;
    ramie::fiber_executor workers(limit);
    int running = 0;
    std::vector<int> runs(all.size());
    std::vector<int> told(all.size());
    std::vector<int> cancelled(all.size());
    {
        crowd fibers(pause);
        const auto work = [&](std::size_t i) {
            const inside here(running, static_cast<int>(limit), "no more work than may");
            ++runs[i];
            fibers.linger();
            return i;
        };
        const auto ask = [&](std::size_t i, deadline until) {
            const auto result = workers.submit([&, i] { return work(i); });
            result.add_done_callback([&told, i] { ++told[i]; });
            const at_exit drop([&] { cancelled[i] = !result.done() && result.cancel() ? 1 : 0; });
            require(result.get(until) == i, "each gets its own result");
        };
        for (std::size_t i = 0; i != all.size(); ++i)
            fibers.add(all[i], [&, i](deadline until) { ask(i, until); });
        fibers.join();
        workers.shutdown();
    }
    for (std::size_t i = 0; i != all.size(); ++i) {
        require(runs[i] <= 1 && told[i] <= 1, "work runs once, and says so once");
        require(all[i] != fate::patient || runs[i] == 1, "what somebody waits for runs");
        require(runs[i] + cancelled[i] == told[i], "what is cancelled never runs");
    }
}

// All who wait for several go on when enough of them are done.
// Found: completions::add() that tells nobody.
void wait_for_several(const pause_fn& pause, const fates& all) {
    ramie::fiber_executor workers(2);
    std::vector<ramie::future<void>> futures;
    for (std::size_t i = 0; i != all.size() + 1; ++i) futures.push_back(workers.submit(pause));
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&, f](deadline until) {
            const auto first = ramie::wait(futures, ramie::wait_until::first_completed, until);
            require(!first.done.empty() || f != fate::patient, "one is done");
            const auto every = ramie::wait(futures, ramie::wait_until::all_completed, until);
            require(every.not_done.empty() || f != fate::patient, "all are done");
        });
    fibers.join();
    workers.shutdown();
}

TEST_F(explored_executor, runs_work_under_many_seeds) {
    under_many_seeds(run_work);
    under_many_seeds(wait_for_several);
}

TEST_F(explored_executor, runs_work_under_every_schedule) {
    under_every_schedule([](const pause_fn& pause, const fates& all) {
        run_work(pause, {all[0], all[1]});
    });
}

TEST_F(explored_executor, waits_for_several_under_every_schedule) {
    under_every_schedule(
        [](const pause_fn& pause, const fates& all) { wait_for_several(pause, {all[1]}); });
}

// --- thread_pool
// -----------------------------------------------------------------------------------

// Not more work than may runs at a time, once or never; whoever waits for it gets its own result.
// The seed picks among fibers, as ever; when the threads run, the kernel says, so that a seed does
// not repeat a run and every schedule cannot be taken. Many rounds stand in for that.
// Found, as a run that does not end: a let_in_first() that tells nobody.
void offload_work(const fates& all) {
    struct counters {
        std::atomic<int> running = 0;
        std::atomic<int> runs = 0;
        std::atomic<bool> is_too_many = false;
    };
    const auto counted = std::make_shared<counters>();  // work outlives who waits for it
    const pause_fn pause = ramie::testing::preempt;
    int results = 0;
    {
        ramie::thread_pool workers(0, 1, 1);
        crowd fibers(pause);
        for (std::size_t i = 0; i != all.size(); ++i)
            fibers.add(all[i], [&, i](deadline) {
                const auto got = workers.run([counted, i] {
                    if (++counted->running > 1) counted->is_too_many = true;
                    ++counted->runs;
                    --counted->running;
                    return i;
                });
                require(got == i, "each gets its own result");
                ++results;
            });
        fibers.join();
    }
    require(!counted->is_too_many, "no more threads work than may");
    require(counted->runs >= results && counted->runs <= static_cast<int>(all.size()),
            "work runs once or never");
    require(results >= std::ranges::count(all, fate::patient), "who waits for work gets a result");
}

// With kills alone: to wait for the time as well costs a millisecond of real time each.
TEST_F(explored_thread_pool, runs_work_under_many_seeds) {
    ramie::testing::explore(seeds, [] {
        fates all = some_fates(3);
        for (fate& each : all)
            if (each != fate::patient) each = fate::killed;
        offload_work(all);
    });
}

}  // namespace
