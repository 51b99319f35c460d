// The rules of cancellation (docs/design.md), for everything that can be waited for.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <functional>
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
#include "ramie/testing/abandon.hpp"
#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using every_wait = ramie::test::fiber_test;
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

// To clean up by waiting, at the ordinary end of a scope, too, where a kill must not be thrown.
template <class F>
auto undisturbed(F f) {
    return [f] {
        const ramie::shield whole;
        f();
    };
}

// A fiber that is there for as long as its scope.
struct idle_fiber {
    ramie::fiber<> f = spawn([] { this_fiber::sleep_for(24h); });
    ~idle_fiber() {
        const ramie::shield whole;
        f.kill();
    }
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

// A lock that another fiber has for as long as `wait(lock)` lasts.
template <class Lock, class Wait>
bool while_held(Wait wait) {
    Lock m;
    auto holder = spawn([&] {
        const std::lock_guard held(m);
        this_fiber::sleep_for(24h);
    });
    const ramie::test::at_exit end(undisturbed([&] { holder.kill(); }));
    this_fiber::yield();
    return wait(m);
}

// A pool that is full for as long as `wait(pool)` lasts.
template <class Wait>
bool while_full(Wait wait) {
    ramie::pool p(1);
    auto member = p.spawn([] { this_fiber::sleep_for(24h); });
    const ramie::test::at_exit end(undisturbed([&] { member.kill(); }));
    return wait(p);
}

// Work that does not end before `wait(executor, future)`.
template <class Wait>
bool while_working(Wait wait) {
    ramie::fiber_executor e(1);
    ramie::event go_on;
    const auto work = e.submit([&] { go_on.wait(); });
    const ramie::test::at_exit end(undisturbed([&] {
        go_on.set();
        e.shutdown();
    }));
    return wait(e, work);
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
             return while_held<ramie::mutex>([&](auto& m) { return m.lock(until); });
         }},
        {"recursive_mutex",
         [](deadline until) {
             return while_held<ramie::recursive_mutex>([&](auto& m) { return m.lock(until); });
         }},
        {"shared_mutex, shared",
         [](deadline until) {
             return while_held<ramie::shared_mutex>([&](auto& m) { return m.lock_shared(until); });
         }},
        {"once",
         [](deadline until) {
             ramie::once o;
             auto caller = spawn([&] { o.call([] { this_fiber::sleep_for(24h); }); });
             const ramie::test::at_exit end(undisturbed([&] { caller.kill(); }));
             this_fiber::yield();
             return o.call([] {}, until);
         }},
        {"shared_mutex",
         [](deadline until) {
             ramie::shared_mutex m;
             const std::shared_lock held(m);
             return m.lock(until);
         }},
        {"semaphore", [](deadline until) { return ramie::semaphore(0).acquire(until); }},
        {"bounded_semaphore",
         [](deadline until) { return ramie::bounded_semaphore(0).acquire(until); }},
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
        {"queue::peek",
         [](deadline until) { return in_time([&] { ramie::queue<int>().peek(until); }); }},
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
         [](deadline until) { return while_full([&](auto& p) { return p.join(until); }); }},
        {"pool::spawn",
         [](deadline until) {
             return while_full([&](auto& p) { return p.spawn_until(until, [] {}).has_value(); });
         }},
        {"pool::wait_available",
         [](deadline until) {
             return while_full([&](auto& p) { return p.wait_available(until); });
         }},
        {"imap::get",
         [](deadline until) {
             return while_full([&](auto& p) {
                 const std::array items{1};
                 auto results = p.imap(items, [](int i) { return i; });
                 return in_time([&] { results.get(until); });
             });
         }},
        {"group::kill",
         [](deadline until) {
             ramie::group g;
             ramie::event go_on;
             auto stubborn = g.spawn([&] {
                 const ramie::shield cleanup;
                 go_on.wait();
             });
             const ramie::test::at_exit end(undisturbed([&] {
                 go_on.set();
                 stubborn.join();
             }));
             this_fiber::yield();
             return g.kill(until);
         }},
        {"task_group::join",
         [](deadline until) {
             ramie::task_group tasks;
             tasks.spawn([] { this_fiber::sleep_for(24h); });
             return tasks.join(until);
         }},
        {"future",
         [](deadline until) {
             return while_working([&](auto&, auto& work) { return work.wait(until); });
         }},
        {"wait",
         [](deadline until) {
             return while_working([&](auto&, auto& work) {
                 const std::vector futures{work};
                 return ramie::wait(futures, ramie::wait_until::all_completed, until)
                     .not_done.empty();
             });
         }},
        {"as_completed",
         [](deadline until) {
             return while_working([&](auto&, auto& work) {
                 return in_time([&] { ramie::as_completed(std::vector{work}, until).get(); });
             });
         }},
        {"executor::shutdown",
         [](deadline until) {
             return while_working([&](auto& e, auto&) { return e.shutdown(true, false, until); });
         }},
        {"wait_readable",
         [](deadline until) {
             const silent_pipe p;
             return ramie::wait_readable(p.ends[0], until);
         }},
        {"wait_signal",
         [](deadline until) { return ramie::wait_signal({SIGUSR1}, until).has_value(); }},
        {"signal_set",
         [](deadline until) { return ramie::signal_set{SIGUSR1}.wait(until).has_value(); }},
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

TEST_F(every_wait, leaves_nothing_behind_wherever_it_is_killed) {
    for (const auto& each : waits()) {
        SCOPED_TRACE(each.name);
        EXPECT_GE(ramie::testing::kill_everywhere([&] { each.wait(1ms); }), 1U);
    }
}

}  // namespace
