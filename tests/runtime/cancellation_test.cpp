// The rules of cancellation (docs/design.md), for everything that can be waited for.

#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/executor.hpp"
#include "ramie/lock.hpp"
#include "ramie/pool.hpp"
#include "ramie/queue.hpp"
#include "ramie/shield.hpp"
#include "ramie/signal.hpp"
#include "ramie/timeout.hpp"
#include "ramie/timer.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using every_wait = ramie::test::fiber_test;
using every_object = ramie::test::virtual_time_test;
using object = ramie::test::virtual_time_test;
using ramie::deadline;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

// A pipe that nobody writes to.
struct silent_pipe {
    silent_pipe() { EXPECT_EQ(::pipe(ends), 0); }
    ~silent_pipe() {
        for (const int end : ends) {
            ramie::forget_descriptor(end);
            ::close(end);
        }
    }
    int ends[2] = {-1, -1};
};

// A fiber that is there for as long as its scope.
struct idle_fiber {
    ramie::fiber<> f = spawn([] { this_fiber::sleep_for(24h); });
    ~idle_fiber() { f.kill(); }
};

// Of calls that have a value to return: false at their own deadline.
bool in_time(const std::function<void()>& f) {
    try {
        f();
        return true;
    } catch (const ramie::timeout_expired& e) {
        if (e.owner() != nullptr) throw;
        return false;
    }
}

struct named_wait {
    const char* name;
    // Waits for what never comes; false at the deadline.
    std::function<bool(deadline)> wait;
};

// Of objects of its own, which it destroys on its way out.
const std::vector<named_wait>& waits() {
    static const std::vector<named_wait> all{
        {"sleep", [](deadline until) { return this_fiber::sleep_until(until), false; }},
        {"event", [](deadline until) { return ramie::event().wait(until); }},
        {"async_result", [](deadline until) { return ramie::async_result<>().wait(until); }},
        {"mutex",
         [](deadline until) {
             ramie::mutex m;
             auto holder = spawn([&] {
                 const std::lock_guard held(m);
                 this_fiber::sleep_for(24h);
             });
             const ramie::test::at_exit end([&] { holder.kill(); });
             this_fiber::yield();
             return m.lock(until);
         }},
        {"shared_mutex",
         [](deadline until) {
             ramie::shared_mutex m;
             const std::shared_lock held(m);
             return m.lock(until);
         }},
        {"semaphore", [](deadline until) { return ramie::semaphore(0).acquire(until); }},
        {"latch", [](deadline until) { return ramie::latch(1).wait(until); }},
        {"barrier", [](deadline until) { return ramie::barrier(2).arrive_and_wait(until); }},
        {"condition_variable",
         [](deadline until) {
             ramie::mutex m;
             ramie::condition_variable c;
             std::unique_lock held(m);
             return c.wait(held, until);
         }},
        {"queue::get",
         [](deadline until) { return in_time([&] { ramie::queue<int>().get(until); }); }},
        {"queue::put",
         [](deadline until) {
             ramie::queue<int> q(1);
             q.put(1);
             return q.put(2, until);
         }},
        {"joinable_queue::join",
         [](deadline until) {
             ramie::joinable_queue<int> q;
             q.put(1);
             return q.join(until);
         }},
        {"channel::get",
         [](deadline until) { return in_time([&] { ramie::channel<int>().get(until); }); }},
        {"channel::put", [](deadline until) { return ramie::channel<int>().put(1, until); }},
        {"select",
         [](deadline until) {
             ramie::event e;
             ramie::channel<int> c;
             return ramie::select(ramie::on_set(e), ramie::on_put(c, 1), until).has_value();
         }},
        {"fiber::join", [](deadline until) { return idle_fiber().f.join(until); }},
        {"join_all",
         [](deadline until) {
             const idle_fiber other;
             return ramie::join_all(std::vector{other.f}, until);
         }},
        {"wait_any",
         [](deadline until) {
             const idle_fiber other;
             return ramie::wait_any(std::vector{other.f}, until).has_value();
         }},
        {"pool::join",
         [](deadline until) {
             ramie::pool p(1);
             auto member = p.spawn([] { this_fiber::sleep_for(24h); });
             const ramie::test::at_exit end([&] { member.kill(); });
             return p.join(until);
         }},
        {"future",
         [](deadline until) {
             ramie::fiber_executor e(1);
             ramie::event go_on;
             const auto work = e.submit([&] { go_on.wait(); });
             const ramie::test::at_exit end([&] {
                 go_on.set();
                 e.shutdown();
             });
             return work.wait(until);
         }},
        {"wait_readable",
         [](deadline until) {
             const silent_pipe p;
             return ramie::wait_readable(p.ends[0], until);
         }},
        {"wait_signal",
         [](deadline until) { return ramie::wait_signal({SIGUSR1}, until).has_value(); }},
    };
    return all;
}

TEST_F(every_wait, ends_by_its_own_deadline) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        EXPECT_FALSE(each.wait(1ms));
        EXPECT_FALSE(each.wait(deadline(0ns)));
    }
}

TEST_F(every_wait, is_broken_by_a_timeout_around_it_which_is_thrown_once) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        ramie::timeout limit(1ms);
        try {
            each.wait({});
            ADD_FAILURE() << "it went on";
        } catch (const ramie::timeout_expired& e) {
            EXPECT_TRUE(limit.owns(e));
        }
        this_fiber::yield();
    }
}

TEST_F(every_wait, is_broken_by_a_kill) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        auto f = spawn([&] { each.wait({}); });
        ramie::test::let_others_run();
        EXPECT_FALSE(f.ready());
        EXPECT_TRUE(f.kill());
        EXPECT_TRUE(f.successful());
    }
}

TEST_F(every_wait, does_not_begin_when_a_kill_is_pending) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        auto f = spawn([&] {
            this_fiber::self().try_kill();
            each.wait({});
            ADD_FAILURE() << "it went on";
        });
        EXPECT_TRUE(f.join());
        EXPECT_TRUE(f.successful());
    }
}

TEST_F(every_wait, is_untouched_behind_a_shield) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        bool went_on = false;
        auto f = spawn([&] {
            const ramie::shield cleanup;
            EXPECT_FALSE(each.wait(5ms));
            went_on = true;
        });
        this_fiber::yield();
        EXPECT_TRUE(f.kill());
        EXPECT_TRUE(went_on);
    }
}

// A throw would end the process.
TEST_F(every_wait, is_untouched_in_a_destructor_during_unwinding) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        bool went_on = false;
        auto f = spawn([&] {
            const ramie::test::at_exit slow([&] {
                EXPECT_FALSE(each.wait(5ms));
                went_on = true;
            });
            throw ramie::fiber_exit{};
        });
        this_fiber::yield();
        EXPECT_TRUE(f.kill());
        EXPECT_TRUE(went_on);
    }
}

TEST_F(every_wait, is_unwound_at_the_end_of_run) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        bool unwound = false;
        ramie::test::end_scheduler();
        const std::string reported = ramie::test::stderr_of([&] {
            ramie::run([&] {
                spawn([&] {
                    const ramie::test::at_exit note([&] { unwound = true; });
                    each.wait({});
                });
                ramie::test::let_others_run();
            });
        });
        EXPECT_EQ(reported, "");
        EXPECT_TRUE(unwound);
    }
}

// --- what is waited for is destroyed -------------------------------------------------------------

// Destroys a `T` while a fiber waits for it in `wait`, in each of the ways a wait may stand then.
template <class T, class Wait>
void expect_told(const char* name, std::unique_ptr<T> doomed, Wait wait) {
    SCOPED_TRACE(name);
    auto waiting = spawn([&, &it = *doomed] { EXPECT_THROW(wait(it), std::logic_error); });
    auto killed = spawn([&, &it = *doomed] {
        EXPECT_THROW(wait(it), std::logic_error);
        this_fiber::yield();
        ADD_FAILURE() << "the kill is lost";
    });
    ramie::timeout* limit = nullptr;
    auto late = spawn([&, &it = *doomed] {
        ramie::timeout mine(1s);
        limit = &mine;
        EXPECT_THROW(wait(it), std::logic_error);
    });
    this_fiber::sleep_for(1s);
    killed.try_kill();
    // Its wait was broken, and now was not: it must not come back to what is no more.
    EXPECT_TRUE(limit->expired());
    limit->cancel();
    doomed.reset();
    ramie::join_all(std::vector{waiting, killed, late}, ramie::on_error::rethrow);
}

TEST_F(every_object, that_is_destroyed_tells_who_waits_for_it) {
    expect_told("event", std::make_unique<ramie::event>(), [](auto& e) { e.wait(); });
    expect_told("semaphore", std::make_unique<ramie::semaphore>(0), [](auto& s) { s.acquire(); });
    expect_told("latch", std::make_unique<ramie::latch>(1), [](auto& l) { l.wait(); });
    expect_told("barrier", std::make_unique<ramie::barrier>(9),
                [](auto& b) { b.arrive_and_wait(); });
    expect_told("condition_variable", std::make_unique<ramie::condition_variable>(), [](auto& c) {
        ramie::mutex m;
        std::unique_lock held(m);
        c.wait(held);
    });
    expect_told("queue", std::make_unique<ramie::queue<int>>(), [](auto& q) { q.get(); });
    expect_told("channel, get", std::make_unique<ramie::channel<int>>(), [](auto& c) { c.get(); });
    expect_told("channel, put", std::make_unique<ramie::channel<int>>(), [](auto& c) { c.put(1); });
}

TEST_F(every_object, that_is_destroyed_tells_a_select) {
    const auto do_nothing = [](int) {};
    expect_told("event", std::make_unique<ramie::event>(),
                [](auto& e) { ramie::select(ramie::on_set(e)); });
    expect_told("queue, get", std::make_unique<ramie::queue<int>>(),
                [&](auto& q) { ramie::select(ramie::on_get(q, do_nothing)); });
    expect_told("channel, get", std::make_unique<ramie::channel<int>>(),
                [&](auto& c) { ramie::select(ramie::on_get(c, do_nothing)); });
    expect_told("channel, put", std::make_unique<ramie::channel<int>>(),
                [](auto& c) { ramie::select(ramie::on_put(c, 1)); });
}

// What was granted is never taken back, also when another case is destroyed before it runs.
TEST_F(object, that_is_destroyed_leaves_a_select_that_has_won_alone) {
    auto doomed = std::make_unique<ramie::event>();
    ramie::channel<int> c;
    int got = 0;
    auto f = spawn([&] {
        return ramie::select(ramie::on_set(*doomed), ramie::on_get(c, [&](int i) { got = i; }));
    });
    this_fiber::yield();
    c.put(5);
    doomed.reset();
    EXPECT_EQ(f.get(), 1U);
    EXPECT_EQ(got, 5);
}

TEST_F(object, an_event_that_is_destroyed_after_it_was_set_has_been_set) {
    auto e = std::make_unique<ramie::event>();
    auto f = spawn([&] { return e->wait(); });
    this_fiber::yield();
    e->set();
    e.reset();
    EXPECT_TRUE(f.get());
}

TEST_F(object, a_case_of_select_may_be_used_again) {
    ramie::channel<int> c;
    ramie::event other;
    int sum = 0;
    auto get = ramie::on_get(c, [&](int i) { sum += i; });
    auto set = ramie::on_set(other);
    auto putter = spawn([&] {
        this_fiber::yield();
        c.put(1);
        this_fiber::sleep_for(1s);
        other.set();
    });
    EXPECT_EQ(ramie::select(get, set), 0U);
    EXPECT_EQ(ramie::select(get, set), 1U);
    EXPECT_EQ(sum, 1);
    putter.join();
}

TEST_F(object, a_timer_that_is_destroyed_calls_no_more) {
    int calls = 0;
    {
        const ramie::timer once(1s, [&] { ++calls; });
        const ramie::timer often(1s, 1s, [&] { ++calls; });
        this_fiber::sleep_for(500ms);
    }
    this_fiber::sleep_for(5s);
    EXPECT_EQ(calls, 0);
}

TEST_F(object, a_pool_that_is_destroyed_leaves_those_who_wait_for_a_slot_waiting_for_it) {
    auto p = std::make_unique<ramie::pool>(1);
    auto first = p->spawn([] { this_fiber::sleep_for(1s); });
    auto second = p->apply_async([] { this_fiber::sleep_for(1s); });
    this_fiber::yield();
    p.reset();
    second.join();
    EXPECT_EQ(clock_.elapsed(), 2s);
}

}  // namespace
