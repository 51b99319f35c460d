// How a fiber is ended from outside.

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using kill = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::at_exit;
using ramie::test::boom;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

enum class target_state { not_started, later, yielding, parked };
enum class waiting { no, yes };

struct target {
    int started = 0;
    int unwound = 0;
    int links = 0;
    ramie::fiber<int> fiber;
};

void start(target& t, target_state state) {
    const auto body = [&t, state] {
        ++t.started;
        const at_exit note([&t] { ++t.unwound; });
        while (state == target_state::yielding) this_fiber::yield();
        this_fiber::sleep_for(1h);
        return 1;
    };
    t.fiber = state == target_state::later ? ramie::spawn_later(1h, body) : spawn(body);
    t.fiber.link([&t](const ramie::fiber_base&) { ++t.links; });
    if (state == target_state::yielding || state == target_state::parked) this_fiber::yield();
}

void expect_killed(const target& t, const std::exception_ptr& error, int started) {
    EXPECT_TRUE(t.fiber.ready());
    EXPECT_EQ(t.started, started);
    EXPECT_EQ(t.unwound, started);
    EXPECT_EQ(t.fiber.successful(), error == nullptr);
    EXPECT_EQ(t.fiber.exception(), error);
    if (error == nullptr)
        EXPECT_THROW(t.fiber.get(), ramie::fiber_exit);
    else
        EXPECT_THROW(t.fiber.get(), std::runtime_error);
}

void expect_kill_of(target_state state, waiting wait, const std::exception_ptr& error) {
    target t;
    start(t, state);
    const int started = t.started;
    if (wait == waiting::yes)
        EXPECT_TRUE(t.fiber.kill(error));
    else
        t.fiber.try_kill(error);

    // What never started is over at once; what runs ends at its next turn.
    EXPECT_EQ(t.fiber.ready(), started == 0 || wait == waiting::yes);
    let_others_run();
    expect_killed(t, error, started);

    EXPECT_TRUE(t.fiber.kill(boom()));
    t.fiber.try_kill();
    let_others_run();
    expect_killed(t, error, started);
    EXPECT_EQ(t.links, 1);
}

// gevent cases 9 and 10.
TEST_F(kill, ends_a_fiber_in_any_state_once_and_for_all) {
    for (const auto state : {target_state::not_started, target_state::later, target_state::yielding,
                             target_state::parked})
        for (const auto wait : {waiting::no, waiting::yes})
            for (const auto& error : {std::exception_ptr(), boom()}) {
                SCOPED_TRACE(testing::Message()
                             << "state " << static_cast<int>(state) << ", wait "
                             << static_cast<int>(wait) << ", custom " << (error != nullptr));
                expect_kill_of(state, wait, error);
            }
    EXPECT_EQ(clock_.elapsed(), 0s);
}

// gevent case 11.
TEST_F(kill, may_be_caught_and_survived) {
    int caught = 0;
    auto f = spawn([&] {
        for (;;) {
            try {
                this_fiber::sleep_for(1h);
                return 42;
            } catch (const ramie::fiber_exit&) {
                ++caught;
            }
        }
    });
    this_fiber::yield();
    EXPECT_FALSE(f.kill(1s));
    EXPECT_EQ(clock_.elapsed(), 1s);
    EXPECT_EQ(caught, 1);
    EXPECT_FALSE(f.kill(1s));
    EXPECT_EQ(caught, 2);
    EXPECT_EQ(f.get(), 42);
    EXPECT_TRUE(f.successful());
}

TEST_F(kill, is_delivered_once_however_often_it_is_asked_for) {
    int caught = 0;
    auto f = spawn([&] {
        for (int i = 0; i != 3; ++i) {
            try {
                this_fiber::yield();
            } catch (const ramie::fiber_exit&) {
                ++caught;
            }
        }
    });
    this_fiber::yield();
    for (int i = 0; i != 3; ++i) f.try_kill();
    f.join();
    EXPECT_EQ(caught, 1);
}

TEST_F(kill, waits_for_a_destructor_that_suspends) {
    bool cleaned = false;
    auto f = spawn([&] {
        const at_exit slow([&] {
            this_fiber::sleep_for(1s);
            cleaned = true;
        });
        this_fiber::sleep_for(1h);
    });
    this_fiber::yield();
    EXPECT_FALSE(f.kill(500ms));
    EXPECT_FALSE(cleaned);
    EXPECT_TRUE(f.kill());
    EXPECT_TRUE(cleaned);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(kill, waits_for_a_handler_that_suspends) {
    bool cleaned = false;
    auto f = spawn([&] {
        try {
            this_fiber::sleep_for(1h);
        } catch (...) {
            this_fiber::sleep_for(1s);
            cleaned = true;
            throw;
        }
    });
    this_fiber::yield();
    EXPECT_TRUE(f.kill());
    EXPECT_TRUE(cleaned);
}

// A throw out of a destructor that runs during unwinding would end the process.
TEST_F(kill, never_interrupts_a_destructor_during_unwinding) {
    int steps = 0;
    auto f = spawn([&] {
        const at_exit slow([&] {
            for (int i = 0; i != 3; ++i) {
                this_fiber::yield();
                this_fiber::sleep_for(1s);
                ++steps;
            }
        });
        throw std::runtime_error("boom");
    });
    this_fiber::yield();
    for (int i = 0; i != 10; ++i) {
        f.try_kill();
        this_fiber::yield();
    }
    EXPECT_TRUE(f.kill());
    EXPECT_EQ(steps, 3);
    EXPECT_THROW(f.get(), std::runtime_error);
}

// Nor out of the destructor of what was given to spawn.
TEST_F(kill, never_interrupts_the_destruction_of_the_callable) {
    bool destroyed = false;
    const auto clean_up = [&] {
        this_fiber::sleep_for(1s);
        destroyed = true;
    };
    auto f = spawn([keep = std::make_shared<at_exit<decltype(clean_up)>>(clean_up)] {});
    this_fiber::sleep_for(500ms);
    EXPECT_TRUE(f.kill());
    EXPECT_TRUE(destroyed);
}

TEST_F(kill, destroys_the_callable_of_a_fiber_that_never_ran) {
    auto token = std::make_shared<int>();
    auto f = spawn([token] { ADD_FAILURE() << "it ran"; });
    f.try_kill();
    EXPECT_EQ(token.use_count(), 1);
    auto g = spawn([&, slow = std::make_shared<at_exit<std::function<void()>>>(
                           [] { this_fiber::sleep_for(1s); })] { ADD_FAILURE() << "it ran"; });
    EXPECT_TRUE(g.kill());
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(kill, of_oneself_is_thrown_at_once) {
    std::vector<int> order;
    auto f = spawn([&] {
        order.push_back(1);
        this_fiber::self().kill();
        order.push_back(2);
    });
    f.join();
    EXPECT_TRUE(f.successful());
    auto g = spawn([] { this_fiber::self().kill(boom()); });
    EXPECT_THROW(g.get(), std::runtime_error);
    EXPECT_EQ(order, std::vector<int>{1});
}

TEST_F(kill, of_oneself_without_waiting_is_thrown_at_the_next_suspension_point) {
    std::vector<int> order;
    auto f = spawn([&] {
        this_fiber::self().try_kill();
        order.push_back(1);
        this_fiber::yield();
        order.push_back(2);
    });
    f.join();
    EXPECT_TRUE(f.successful());
    EXPECT_EQ(order, std::vector<int>{1});
}

TEST_F(kill, of_oneself_is_forgotten_when_nothing_suspends_any_more) {
    auto f = spawn([] {
        this_fiber::self().try_kill();
        return 1;
    });
    EXPECT_EQ(f.get(), 1);
}

// What a wait was granted is never taken back; the kill comes with the next wait.
TEST_F(kill, loses_nothing_that_was_granted_before) {
    ramie::event news;
    std::vector<int> order;
    auto f = spawn([&] {
        EXPECT_TRUE(news.wait());
        order.push_back(1);
        this_fiber::sleep_for(1h);
        order.push_back(2);
    });
    this_fiber::yield();
    news.set();
    EXPECT_TRUE(f.kill());
    EXPECT_EQ(order, std::vector<int>{1});
    EXPECT_EQ(clock_.elapsed(), 0s);
}

TEST_F(kill, takes_the_fiber_out_of_the_queue_it_waits_in) {
    ramie::event news;
    auto first = spawn([&] { news.wait(); });
    auto second = spawn([&] { return news.wait(); });
    this_fiber::yield();
    EXPECT_TRUE(first.kill());
    news.set();
    EXPECT_TRUE(second.get());
}

TEST_F(kill, may_itself_be_interrupted) {
    auto stubborn = spawn([] {
        const at_exit slow([] { this_fiber::sleep_for(1h); });
        this_fiber::sleep_for(1h);
    });
    auto killer = spawn([&] { stubborn.kill(); });
    this_fiber::yield();
    this_fiber::yield();
    EXPECT_TRUE(killer.kill());
    EXPECT_FALSE(stubborn.ready());
    EXPECT_TRUE(stubborn.join());
}

TEST_F(kill, works_from_the_loop_without_waiting) {
    auto f = spawn([] { this_fiber::sleep_for(1h); });
    this_fiber::yield();
    ramie::this_scheduler().post([f] {
        f.try_kill();
        EXPECT_NE(ramie::test::error_of<std::logic_error>([&] { f.kill(); }).find("loop"),
                  std::string::npos);
    });
    f.join();
    EXPECT_TRUE(f.successful());
    EXPECT_EQ(clock_.elapsed(), 0s);
}

TEST_F(kill, of_the_main_fiber_ends_run) {
    ramie::test::end_scheduler();
    bool unwound = false;
    const int code = ramie::run([&] {
        const at_exit note([&] { unwound = true; });
        spawn([main = this_fiber::self()] { main.try_kill(); });
        this_fiber::sleep_for(1h);
        return 7;
    });
    EXPECT_EQ(code, 0);
    EXPECT_TRUE(unwound);
}

}  // namespace
