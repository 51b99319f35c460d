#include "ramie/latch.hpp"

#include <vector>

#include "ramie/fiber.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using latch = ramie::test::virtual_time_test;
using barrier = ramie::test::virtual_time_test;
using once = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::error_of;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

TEST_F(latch, opens_once) {
    ramie::latch l(3);
    std::vector<int> order;
    auto waiting = spawn([&] {
        l.wait();
        order.push_back(0);
    });
    EXPECT_FALSE(l.wait(1s));
    l.count_down(2);
    EXPECT_FALSE(l.try_wait());
    EXPECT_TRUE(l.arrive_and_wait());
    waiting.join();
    EXPECT_TRUE(l.wait(0s));
    EXPECT_EQ(error_of<std::logic_error>([&] { l.count_down(); }),
              "ramie: a latch is counted down below zero");
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(barrier, opens_again_and_again) {
    int phases = 0;
    ramie::barrier b(3, [&] { ++phases; });
    std::vector<int> at(3);
    std::vector<ramie::fiber<>> fibers;
    for (std::size_t i = 0; i != 3; ++i)
        fibers.push_back(spawn([&, i] {
            for (int round = 0; round != 10; ++round) {
                this_fiber::sleep_for(std::chrono::seconds(i));
                ++at[i];
                EXPECT_TRUE(b.arrive_and_wait());
                for (const int other : at) EXPECT_GE(other, at[i]);
            }
        }));
    ramie::join_all(fibers);
    EXPECT_EQ(phases, 10);
}

TEST_F(barrier, takes_back_the_arrival_of_who_gives_up) {
    ramie::barrier b(2);
    EXPECT_FALSE(b.arrive_and_wait(1s));
    EXPECT_EQ(b.arrived(), 0U);
    auto killed = spawn([&] { b.arrive_and_wait(); });
    this_fiber::yield();
    EXPECT_EQ(b.arrived(), 1U);
    killed.kill();
    EXPECT_EQ(b.arrived(), 0U);
    auto other = spawn([&] { EXPECT_TRUE(b.arrive_and_wait()); });
    EXPECT_TRUE(b.arrive_and_wait());
    other.join();
}

TEST_F(barrier, opens_when_the_last_that_is_missing_drops_out) {
    ramie::barrier b(2);
    auto other = spawn([&] {
        EXPECT_TRUE(b.arrive_and_wait());
        EXPECT_TRUE(b.arrive_and_wait());  // alone by now
    });
    this_fiber::yield();
    b.arrive_and_drop();
    other.join();
    b.arrive_and_drop();
    EXPECT_NE(error_of<std::logic_error>([&] { b.arrive_and_drop(); }), "");
    EXPECT_THROW(ramie::barrier(0), std::invalid_argument);
}

// It arrived, all the others have gone on: what was killed afterwards was not missing.
TEST_F(barrier, that_opened_counts_who_was_killed_in_the_same_round) {
    ramie::barrier b(2);
    auto killed = spawn([&] { b.arrive_and_wait(); });
    this_fiber::yield();
    killed.try_kill();
    EXPECT_TRUE(b.arrive_and_wait());
    killed.join();
    EXPECT_EQ(b.arrived(), 0U);
}

TEST_F(once, runs_once_while_the_others_wait) {
    ramie::once o;
    int calls = 0, passed = 0;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 5; ++i)
        fibers.push_back(spawn([&] {
            o.call([&] {
                this_fiber::sleep_for(2s);
                ++calls;
            });
            EXPECT_EQ(calls, 1);
            ++passed;
        }));
    this_fiber::yield();
    EXPECT_FALSE(o.call([] {}, 1s));
    ramie::join_all(fibers);
    EXPECT_EQ(passed, 5);
    EXPECT_TRUE(o.done());
}

TEST_F(once, is_tried_again_after_a_failure) {
    ramie::once o;
    EXPECT_THROW(o.call([] { throw std::runtime_error("boom"); }), std::runtime_error);
    EXPECT_FALSE(o.done());
    EXPECT_THROW(o.call([&] { o.call([] {}); }), ramie::deadlock_error);
    EXPECT_TRUE(o.call([] {}));
    o.call([] { ADD_FAILURE() << "once more"; });
}

}  // namespace
