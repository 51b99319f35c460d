// The primitives of the core under every small schedule and many random ones. `./dev soak` runs a
// hundred times as many. Each model names a bug that was planted in the code to see it found.

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"
#include "support/exploration.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;
using ramie::test::join_all;
using ramie::test::pauses;
using ramie::test::seeds;
using ramie::testing::explore;
using ramie::testing::explore_all;
using ramie::testing::preempt;
using ramie::testing::require;
namespace this_fiber = ramie::this_fiber;

using explored_event = ramie::test::fiber_test;
using explored_async_result = ramie::test::fiber_test;
using explored_join = ramie::test::fiber_test;
using explored_kill = ramie::test::fiber_test;
using explored_link = ramie::test::fiber_test;
using explored_timeout = ramie::test::fiber_test;

// --- event -----------------------------------------------------------------------------------

// Whoever waits when it is set goes on, though it is cleared at once; who times out was not woken.
// Found: wake_one() in place of wake_all() in event::set(); `self.is_linked() || !set_` in place of
// `self.is_linked()` in event::wait().
template <class Pause>
void set_and_clear(int waiters, Pause pause) {
    ramie::event go;
    int waiting = 0;
    int woken = 0;
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != waiters; ++i)
        all.push_back(spawn([&] {
            pause();
            ++waiting;
            require(go.wait(), "a wait without a deadline ends when the event is set");
            ++woken;
        }));
    pause();
    const int owed = waiting;
    go.set();
    go.clear();
    this_fiber::sleep_for(1s);
    require(woken == owed, "set() wakes exactly those that wait");
    go.set();
    join_all({all.begin(), all.end()});
    require(woken == waiters, "no wake-up is lost");
}

// A wait that is killed or times out takes no wake-up from the others.
// Found: `return true` at the deadline in event::wait().
template <class Pause>
void set_or_break(Pause pause) {
    ramie::event go;
    bool was_set = false;
    auto patient = spawn([&] { return go.wait(); });
    auto hasty = spawn([&] {
        const bool seen = go.wait(1ms);
        require(seen == was_set || !seen, "a wait ends with true only after set()");
        return seen;
    });
    auto killed = spawn([&] { return go.wait(); });
    auto setter = spawn([&] {
        pause();
        this_fiber::sleep_for(1ms);
        was_set = true;
        go.set();
    });
    pause();
    killed.kill();
    require(patient.get(), "the patient one is woken");
    setter.join();
    hasty.get();
}

TEST_F(explored_event, wakes_who_waits_under_many_seeds) {
    explore(seeds, [] {
        set_and_clear(4, pauses());
        set_or_break(pauses());
    });
}

TEST_F(explored_event, wakes_who_waits_under_every_schedule) {
    EXPECT_GT(explore_all([] { set_and_clear(3, preempt); }), 100U);
    EXPECT_GT(explore_all([] { set_or_break(preempt); }), 100U);
}

// --- async_result ----------------------------------------------------------------------------

// All who ask get the one value, whenever they come, and the last set wins.
// Found: wake_one() in place of wake_all() in async_state::wake_waiters().
template <class Pause>
void set_once_get_often(int getters, Pause pause) {
    ramie::async_result<std::string> answer;
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != getters; ++i)
        all.push_back(spawn([&, answer] {
            pause();
            require(answer.get() == "42", "every getter gets the value");
        }));
    auto impatient = spawn([&, answer] {
        const bool came = answer.wait(1ms);
        require(!came || answer.ready(), "what came is there");
    });
    auto killed = spawn([answer] { answer.get(); });
    pause();
    killed.try_kill();
    pause();
    answer.set("42");
    join_all({all.begin(), all.end()});
    impatient.get();
    killed.join();
}

TEST_F(explored_async_result, reaches_every_getter_under_many_seeds) {
    explore(seeds, [] { set_once_get_often(4, pauses()); });
}

TEST_F(explored_async_result, reaches_every_getter_under_every_schedule) {
    EXPECT_GT(explore_all([] { set_once_get_often(1, preempt); }), 100U);
}

// --- join ------------------------------------------------------------------------------------

// A join ends with the fiber, for each that joins; a deadline or a kill ends that one join only.
// Found: wake_one() in place of wake_all() of the joiners in scheduler::finish().
template <class Pause>
void join_from_several(int joiners, Pause pause) {
    auto worker = spawn([&] {
        pause();
        return 7;
    });
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != joiners; ++i)
        all.push_back(spawn([&] { require(worker.get() == 7, "every joiner gets the result"); }));
    auto hasty =
        spawn([&] { require(!worker.join(1ms) || worker.ready(), "what was joined has ended"); });
    auto killed = spawn([&] { worker.join(); });
    pause();
    killed.kill();
    for (const auto& each : all) each.get();
    hasty.get();
    require(worker.ready(), "a joined fiber has ended");
}

TEST_F(explored_join, ends_for_everyone_under_many_seeds) {
    explore(seeds, [] { join_from_several(3, pauses()); });
}

TEST_F(explored_join, ends_for_everyone_under_every_schedule) {
    EXPECT_GT(explore_all([] { join_from_several(1, preempt); }), 100U);
}

// --- kill ------------------------------------------------------------------------------------

struct held {
    explicit held(int& count) : count_(++count) {}
    ~held() { --count_; }
    held(const held&) = delete;
    held& operator=(const held&) = delete;
    int& count_;
};

// However often it is killed, a fiber ends once, unwound; one that had not started never runs.
// Found: no end at once for a fiber that has not started, in scheduler::kill().
template <class Pause>
void kill_twice(Pause pause) {
    int resources = 0;
    int starts = 0;
    const auto work = [&] {
        ++starts;
        const held resource(resources);
        for (;;) {
            pause();
            this_fiber::sleep_for(1ms);
        }
    };
    auto victim = spawn(work);
    const auto kill_it = [&] {
        pause();
        require(victim.kill(), "a kill without a deadline ends with the fiber");
        require(victim.ready() && resources == 0, "what is killed is unwound");
    };
    join_all({spawn(kill_it), spawn(kill_it)});
    require(victim.successful() && starts <= 1, "a killed fiber ends by fiber_exit");

    auto unborn = spawn(work);
    unborn.kill();
    require(starts <= 1, "a fiber that is killed before its start never runs");
}

TEST_F(explored_kill, ends_and_unwinds_under_many_seeds) {
    explore(seeds, [] { kill_twice(pauses()); });
}

TEST_F(explored_kill, ends_and_unwinds_under_every_schedule) {
    EXPECT_GT(explore_all([] { kill_twice(preempt); }), 100U);
}

// --- link ------------------------------------------------------------------------------------

// Each link is called once, also one that comes after the end; one that was unlinked before is not.
// Found: erasing the link after the yield in start_links(), and not before.
template <class Pause>
void link_and_unlink(Pause pause) {
    std::string called;
    auto target = spawn([&] { pause(); });
    const auto link = [&](char name) {
        return target.link([&called, name](const ramie::fiber_base&) { called += name; });
    };
    link('a');
    const auto dropped = link('x');
    link('b');
    bool in_time = false;
    auto remover = spawn([&] {
        pause();
        in_time = !target.ready();
        target.unlink(dropped);
    });
    pause();
    link('c');
    join_all({target, remover});
    this_fiber::sleep_for(1s);
    const auto forgotten = std::remove(called.begin(), called.end(), 'x');
    require(!in_time || forgotten == called.end(), "an unlinked link is not called");
    called.erase(forgotten, called.end());
    std::sort(called.begin(), called.end());
    require(called == "abc", "each link is called once");
}

TEST_F(explored_link, is_called_once_under_many_seeds) {
    explore(seeds, [] { link_and_unlink(pauses()); });
}

TEST_F(explored_link, is_called_once_under_every_schedule) {
    EXPECT_GT(explore_all([] { link_and_unlink(preempt); }), 100U);
}

// --- timeout ---------------------------------------------------------------------------------

// Of nested limits the one that expired is thrown, and only inside of its scope; a wait that was
// granted at the same moment is either granted or broken, and the rest of the fiber is left alone.
// Found: no grant() in scheduler::interrupt(): the limit expires and breaks no wait.
template <class Pause>
void nest_limits(Pause pause) {
    ramie::event go;
    auto limited = spawn([&] {
        const ramie::deadline first = 1ms;
        bool expired = false;
        try {
            const ramie::timeout outer(2ms);
            const ramie::timeout inner(1ms);
            try {
                go.wait();
                pause();
                this_fiber::sleep_for(1h);
            } catch (const ramie::timeout_expired& e) {
                require(inner.owns(e), "the limit that is first is thrown");
                expired = true;
            }
            require(ramie::deadline(0ms) <= first, "a limit breaks the wait when it expires");
        } catch (const ramie::timeout_expired&) {
            require(false, "no other limit is thrown");
        }
        pause();
        this_fiber::sleep_for(10ms);
        require(expired, "a limit expires");
    });
    auto setter = spawn([&] {
        pause();
        this_fiber::sleep_for(1ms);
        pause();
        go.set();
    });
    limited.get();
    setter.join();
}

TEST_F(explored_timeout, breaks_nothing_else_under_many_seeds) {
    explore(seeds, [] { nest_limits(pauses()); });
}

TEST_F(explored_timeout, breaks_nothing_else_under_every_schedule) {
    EXPECT_GT(explore_all([] { nest_limits(preempt); }), 10U);
}

}  // namespace
