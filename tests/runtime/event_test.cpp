#include "ramie/event.hpp"

#include <thread>
#include <vector>

#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "ramie/run.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using event = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

TEST_F(event, is_a_flag) {
    ramie::event e;
    EXPECT_FALSE(e.is_set());
    e.set();
    e.set();
    EXPECT_TRUE(e.is_set());
    e.clear();
    EXPECT_FALSE(e.is_set());
    EXPECT_TRUE(ramie::event(true).is_set());
}

TEST_F(event, lets_pass_who_comes_when_it_is_set) {
    ramie::event e(true);
    EXPECT_TRUE(e.wait());
    EXPECT_TRUE(e.wait(0s));
    EXPECT_EQ(clock_.elapsed(), 0s);
}

TEST_F(event, never_switches_when_it_is_set) {
    ramie::event e;
    bool woken = false;
    auto f = spawn([&] {
        e.wait();
        woken = true;
    });
    this_fiber::yield();
    e.set();
    EXPECT_FALSE(woken);
    f.join();
    EXPECT_TRUE(woken);
}

TEST_F(event, is_not_there_at_the_deadline) {
    ramie::event e;
    EXPECT_FALSE(e.wait(1s));
    EXPECT_EQ(clock_.elapsed(), 1s);
    EXPECT_FALSE(e.wait(0s));
    EXPECT_FALSE(e.wait(-1s));
}

// gevent case 17.
TEST_F(event, wakes_all_who_wait_even_when_it_is_cleared_at_once) {
    for (const int waiters : {1, 100, 1000}) {
        ramie::event e;
        std::vector<int> order;
        for (int i = 0; i != waiters; ++i)
            spawn([&, i] {
                EXPECT_TRUE(e.wait(1h));
                order.push_back(i);
            });
        this_fiber::yield();
        e.set();
        e.clear();
        this_fiber::yield();
        ASSERT_EQ(order.size(), static_cast<std::size_t>(waiters));
        for (int i = 0; i != waiters; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
    }
    EXPECT_EQ(clock_.elapsed(), 0s);
}

// gevent case 18.
TEST_F(event, does_not_wake_again_who_waits_anew_while_the_others_are_woken) {
    ramie::event e;
    int timed_out = 0;
    std::vector<ramie::fiber<>> waiters;
    for (int i = 0; i != 3; ++i)
        waiters.push_back(spawn([&] {
            EXPECT_TRUE(e.wait());
            e.clear();
            EXPECT_FALSE(e.wait(1s));
            ++timed_out;
        }));
    this_fiber::yield();
    e.set();
    ramie::join_all(waiters);
    EXPECT_EQ(timed_out, 3);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

// gevent's issue 1520.
TEST_F(event, lets_those_go_first_who_waited_before_it_was_set) {
    ramie::event e;
    std::vector<int> order;
    for (int i = 0; i != 3; ++i)
        spawn([&, i] {
            e.wait();
            order.push_back(i);
        });
    this_fiber::yield();
    e.set();
    EXPECT_TRUE(e.wait());
    order.push_back(3);
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
}

TEST_F(event, forgets_a_waiter_that_gave_up) {
    ramie::event e;
    auto impatient = spawn([&] { EXPECT_FALSE(e.wait(1s)); });
    auto killed = spawn([&] { e.wait(); });
    auto patient = spawn([&] { EXPECT_TRUE(e.wait()); });
    impatient.join();
    killed.kill();
    e.set();
    patient.join();
    EXPECT_TRUE(patient.successful());
}

// Whatever wakes a fiber first wins.
TEST_F(event, that_is_set_in_the_same_round_as_the_deadline_wakes_each_waiter_once) {
    ramie::event e;
    int woken = 0;
    auto f = spawn([&] {
        e.wait(1s);
        ++woken;
        this_fiber::sleep_for(1s);
        ++woken;
    });
    ramie::spawn_later(1s, [&] { e.set(); });
    f.join();
    EXPECT_EQ(woken, 2);
    EXPECT_EQ(clock_.elapsed(), 2s);
}

TEST_F(event, can_be_set_on_the_loop_but_not_awaited_there) {
    ramie::event e;
    ramie::this_scheduler().post([&] {
        EXPECT_NE(ramie::test::error_of<std::logic_error>([&] { e.wait(); }), "");
        e.set();
        EXPECT_TRUE(e.wait());
    });
    EXPECT_TRUE(e.wait());
}

// The ready queue grows, and its places move, while an event remembers one.
TEST_F(event, passes_between_fibers_that_spawn_others) {
    ramie::event e;
    std::vector<int> order;
    for (int i = 0; i != 3; ++i)
        spawn([&, i] {
            e.wait();
            order.push_back(i);
        });
    for (int i = 0; i != 5000; ++i) this_fiber::yield();
    e.set();
    for (int i = 0; i != 1000; ++i) spawn([] {});
    int switches = 0;
    spawn([&] {
        for (; switches != 10; ++switches) this_fiber::yield();
    });
    e.wait();
    EXPECT_EQ(order.size(), 3U);
    const int before = switches;
    e.wait();
    EXPECT_EQ(switches, before);
    let_others_run();
    let_others_run();
}

TEST_F(event, hands_over_between_two_fibers_for_ever) {
    ramie::event ping, pong;
    int rounds = 0;
    auto f = spawn([&] {
        for (int i = 0; i != 10'000; ++i) {
            ping.wait();
            ping.clear();
            ++rounds;
            pong.set();
        }
    });
    for (int i = 0; i != 10'000; ++i) {
        ping.set();
        pong.wait();
        pong.clear();
    }
    f.join();
    EXPECT_EQ(rounds, 10'000);
}

#ifndef NDEBUG
// Nothing is atomic here: the thread that sets it would race with the fiber's own.
TEST(an_event_set_on_the_wrong_thread, ends_the_process_and_names_the_fiber) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    const auto program = [] {
        ramie::run([] {
            ramie::event e;
            spawn({.name = "sleeper"}, [&] { e.wait(); });
            this_fiber::yield();
            std::thread([&] { e.set(); }).join();
        });
    };
    EXPECT_DEATH(program(), "^ramie: fiber [0-9]+ \"sleeper\" was woken on a thread [^\n]*post");
}
#endif

}  // namespace
