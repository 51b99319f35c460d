#include "ramie/testing.hpp"

#include <unistd.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using virtual_clock = ramie::test::fiber_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

TEST_F(virtual_clock, jumps_over_every_wait) {
    const auto start = std::chrono::steady_clock::now();
    const ramie::testing::virtual_clock clock;
    EXPECT_EQ(clock.elapsed(), 0s);
    this_fiber::sleep_for(24h * 365 * 100);
    EXPECT_EQ(clock.elapsed(), 24h * 365 * 100);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST_F(virtual_clock, visits_every_timer_in_order) {
    const ramie::testing::virtual_clock clock;
    std::vector<std::chrono::nanoseconds> seen;
    for (const auto d : {3h, 1h, 2h})
        ramie::spawn_later(d, [&] { seen.push_back(clock.elapsed()); });
    this_fiber::sleep_for(4h);
    EXPECT_EQ(seen, (std::vector<std::chrono::nanoseconds>{1h, 2h, 3h}));
}

TEST_F(virtual_clock, stands_still_while_something_is_ready) {
    const ramie::testing::virtual_clock clock;
    auto sleeper = spawn([] { this_fiber::sleep_for(1ns); });
    for (int i = 0; i != 5000; ++i) this_fiber::yield();
    EXPECT_FALSE(sleeper.ready());
    EXPECT_EQ(clock.elapsed(), 0s);
    sleeper.join();
    EXPECT_EQ(clock.elapsed(), 1ns);
}

TEST_F(virtual_clock, never_stands_behind_the_real_one_when_it_is_made) {
    const auto real = ramie::detail::now_ns();
    const ramie::testing::virtual_clock clock;
    EXPECT_GE(ramie::detail::now_ns(), real);
}

TEST_F(virtual_clock, can_be_moved_by_hand) {
    ramie::testing::virtual_clock clock;
    const ramie::deadline until = 1h;
    clock.advance(59min);
    EXPECT_FALSE(until.expired());
    clock.advance(1min);
    EXPECT_TRUE(until.expired());
    EXPECT_EQ(clock.elapsed(), 1h);
}

TEST_F(virtual_clock, lets_a_descriptor_that_is_ready_go_first) {
    const ramie::testing::virtual_clock clock;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    auto reader = spawn([&] { return ramie::wait_readable(ends[0], 1h); });
    this_fiber::yield();
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
    EXPECT_TRUE(reader.get());
    EXPECT_EQ(clock.elapsed(), 0s);
    for (const int end : ends) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

TEST_F(virtual_clock, is_one_for_each_thread) {
    const ramie::testing::virtual_clock clock;
    EXPECT_THROW(ramie::testing::virtual_clock(), std::logic_error);
    std::thread([] {
        const ramie::testing::virtual_clock own;
        this_fiber::sleep_for(1h);
        EXPECT_EQ(own.elapsed(), 1h);
    }).join();
    EXPECT_EQ(clock.elapsed(), 0s);
}

TEST_F(virtual_clock, gives_way_to_the_real_one) {
    std::optional<ramie::testing::virtual_clock> clock(std::in_place);
    this_fiber::sleep_for(1h);
    clock.reset();
    const auto start = std::chrono::steady_clock::now();
    this_fiber::sleep_for(10ms);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 10ms);
    EXPECT_THROW(ramie::with_timeout(1ms, [] { this_fiber::sleep_for(1h); }),
                 ramie::timeout_expired);
    clock.emplace();
    this_fiber::sleep_for(1h);
    EXPECT_EQ(clock->elapsed(), 1h);
}

TEST_F(virtual_clock, finds_deadlocks_too) {
    const ramie::testing::virtual_clock clock;
    ramie::event never;
    EXPECT_THROW(never.wait(), ramie::deadlock_error);
}

}  // namespace
