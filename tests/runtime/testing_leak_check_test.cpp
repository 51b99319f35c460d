#include <unistd.h>

#include <optional>
#include <stdexcept>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using leak_check = ramie::test::fiber_test;
using leaks = ramie::testing::leak_check;
using ramie::spawn;

TEST_F(leak_check, finds_nothing_where_nothing_is) {
    const leaks mine;
    spawn([] { ramie::this_fiber::sleep_for(1ms); }).join();
    EXPECT_EQ(mine.found(), "");
    EXPECT_NO_THROW(mine.require_none());
}

TEST_F(leak_check, names_a_fiber_and_what_it_waits_for) {
    auto before = spawn({.name = "older"}, [] { ramie::this_fiber::sleep_for(1h); });
    const leaks mine;
    ramie::event never;
    auto left = spawn({.name = "forgotten"}, [&] { never.wait(); });
    ramie::this_fiber::yield();
    EXPECT_NE(mine.found().find("\"forgotten\": parked, waits for an event"), std::string::npos);
    EXPECT_EQ(mine.found().find("older"), std::string::npos);
    EXPECT_THROW(mine.require_none(), std::logic_error);
    before.kill();
    left.kill();
}

TEST_F(leak_check, counts_timers) {
    const leaks mine;
    const ramie::timeout armed(1h);
    EXPECT_EQ(mine.found(), "  1 timers are armed\n");
}

TEST_F(leak_check, counts_stacks_that_handles_hold) {
    const leaks mine;
    std::optional held = spawn([] {});
    held->join();
    EXPECT_EQ(mine.found(), "  1 stacks of ended fibers are held by handles\n");
    held.reset();
    EXPECT_EQ(mine.found(), "");
}

TEST_F(leak_check, names_descriptors) {
    const leaks mine;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    EXPECT_EQ(ramie::test::count_of("pipe:[", mine.descriptors()), 2);
    for (const int end : ends) ::close(end);
    EXPECT_EQ(mine.descriptors(), "");
}

TEST_F(leak_check, does_not_count_what_a_scheduler_is_made_of) {
    ramie::test::end_scheduler();
    const leaks mine;
    ramie::this_fiber::yield();
    EXPECT_EQ(mine.found(), "");
}

}  // namespace
