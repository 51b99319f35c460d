// Futures that are taken as they are done, mapped and waited for; shields; signals: under every
// small schedule and many random ones. Each model names a bug that was planted in the code to see
// it found.
#include <algorithm>
#include <csignal>
#include <set>
#include <stdexcept>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/executor.hpp"
#include "ramie/shield.hpp"
#include "ramie/signal.hpp"
#include "support/exploration.hpp"

namespace {

using namespace ramie::test;

using explored_futures = fiber_test;
using explored_shield = fiber_test;
using explored_signal = fiber_test;

const std::vector<int> items{0, 1, 2};

// Fewer where every schedule is taken.
std::vector<int> some_items(const fates& all) {
    return {items.begin(), all.size() > 2 ? items.end() : items.begin() + 2};
}

// Each future comes to one of those who ask, whoever gives up.
// Found: takers that do not take turns.
void take_as_completed(const pause_fn& pause, const fates& all) {
    const std::vector<int> expected = some_items(all);
    ramie::fiber_executor workers(expected.size() - 1);
    std::vector<ramie::future<int>> futures;
    for (const int i : expected)
        futures.push_back(workers.submit([&, i] {
            if (all.size() > 2) pause();
            return i;
        }));
    std::vector<int> seen;
    auto range = ramie::as_completed(futures);
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&](deadline) {
            try {
                for (;;) seen.push_back(range.get().get());
            } catch (const ramie::queue_shutdown&) {
            }
        });
    fibers.join();
    std::ranges::sort(seen);
    require(seen == expected, "each comes once");
    workers.shutdown();
}

TEST_F(explored_futures, come_to_one_taker_under_many_seeds) {
    under_many_seeds(take_as_completed);
}

TEST_F(explored_futures, come_to_one_taker_under_every_schedule) {
    under_every_schedule([](const pause_fn& pause, const fates& all) {
        take_as_completed(pause, {all[0], all[1]});
    });
}

// Each who maps gets its own results in order.
// Found: results that are added at the front.
void map_work(const pause_fn& pause, const fates& all) {
    int running = 0;
    ramie::fiber_executor workers(2);
    crowd fibers(pause);
    const auto work = [&](int i) {
        const inside here(running, 2, "no more work than may");
        pause();
        return i;
    };
    for (const fate f : all)
        fibers.add(f, [&](deadline until) {
            require(workers.map(items, work, until) == items, "the results are in order");
        });
    fibers.join();
    workers.shutdown();
    require(running == 0, "all have ended");
}

TEST_F(explored_futures, map_in_order_under_many_seeds) {
    under_many_seeds([](const pause_fn& pause, const fates& all) {
        map_work(pause, {all[0], all[1], all[3]});
    });
}

TEST_F(explored_futures, map_in_order_under_every_schedule) {
    under_every_schedule(
        [](const pause_fn& pause, const fates& all) { map_work(pause, {all[1]}); });
}

// A wait for a failure ends with it, though other work goes on.
// Found: a failed() that is never true, which is a deadlock here.
void wait_for_failure(const pause_fn& pause, const fates& all) {
    ramie::fiber_executor workers(2);
    ramie::event rest;
    const std::vector futures{workers.submit([&] { rest.wait(); }), workers.submit([&] {
                                  pause();
                                  throw std::runtime_error("failed");
                              })};
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&, f](deadline until) {
            const auto [done, left] =
                ramie::wait(futures, ramie::wait_until::first_exception, until);
            require(f != fate::patient || futures[1].done(), "it has failed");
            require(done.size() + left.size() == futures.size(), "each is done or not");
        });
    fibers.join();
    rest.set();
    workers.shutdown();
}

TEST_F(explored_futures, tell_of_a_failure_under_many_seeds) { under_many_seeds(wait_for_failure); }

TEST_F(explored_futures, tell_of_a_failure_under_every_schedule) {
    under_every_schedule(
        [](const pause_fn& pause, const fates& all) { wait_for_failure(pause, {all[1]}); });
}

// Nothing breaks a shield; a timeout that expired behind it is thrown by the first wait after it.
// Found: a shield that counts as none.
void hold_off(const pause_fn& pause, const fates& all) {
    int begun = 0;
    int held = 0;
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&, f](deadline) {
            {
                ++begun;
                const ramie::shield whole;
                pause();
                this_fiber::sleep_for(short_wait * 2);
                pause();
                ++held;
            }
            this_fiber::yield();
            require(f != fate::limited, "what was held off comes with the next wait");
        });
    fibers.join();
    require(begun == held, "nothing breaks a shield");
}

TEST_F(explored_shield, holds_off_what_comes_under_many_seeds) { under_many_seeds(hold_off); }

TEST_F(explored_shield, holds_off_what_comes_under_every_schedule) {
    under_every_schedule([](const pause_fn& pause, const fates& all) {
        hold_off(pause, {all[0], all[1]});
    });
}

// Every signal reaches all who want it, calls do not overlap, and who is killed or gives up in
// wait_signal() takes none from anybody. Without sleep: where a fiber waits for the kernel, each
// jump of the clock takes a millisecond.
// Found, as a run that does not end: a set that forgets the others when it tells of one.
void hear_signals(const fates& all) {
    const pause_fn pause = ramie::testing::preempt;
    ramie::signal_set kept{SIGUSR1, SIGUSR2};
    int raised = 0;
    int heard = 0;
    int calling = 0;
    ramie::event heard_all;
    const auto subscription = ramie::on_signal(SIGUSR2, [&] {
        const inside here(calling, 1, "calls do not overlap");
        heard = raised;
        pause();
        if (heard == 2) heard_all.set();
    });
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f == fate::killed ? f : fate::patient, [&](deadline) {
            require(ramie::wait_signal({SIGUSR1}) == SIGUSR1, "it returns what it wants");
        });
    const auto collect = ramie::spawn([&] {
        for (std::set<int> seen; seen.size() != 2;) seen.insert(kept.wait().value_or(0));
    });
    for (int i = 0; i != 2; ++i) {
        pause();
        ++raised;
        ::raise(SIGUSR2);
    }
    heard_all.wait();
    // Who comes late waits for the next one.
    const auto all_are_done = ramie::spawn([&] { fibers.join(); });
    do {
        ::raise(SIGUSR1);
    } while (!all_are_done.join(deadline(0ms)) && (this_fiber::yield(), true));
    all_are_done.get();
    collect.get();
}

TEST_F(explored_signal, reaches_who_wants_it_under_many_seeds) {
    ramie::testing::explore(seeds, [] { hear_signals(some_fates(3)); });
}

}  // namespace
