#include "ramie/timer.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using timer = ramie::test::virtual_time_test;
namespace this_fiber = ramie::this_fiber;

TEST_F(timer, calls_once) {
    int calls = 0;
    const ramie::timer t(5s, [&] {
        ++calls;
        EXPECT_EQ(clock_.elapsed(), 5s);
        this_fiber::sleep_for(1s);
    });
    EXPECT_TRUE(t.active());
    this_fiber::sleep_for(5500ms);
    EXPECT_TRUE(t.active());
    this_fiber::sleep_for(10s);
    EXPECT_EQ(calls, 1);
    EXPECT_FALSE(t.active());
}

TEST_F(timer, calls_again_and_again_without_drift_or_overlap) {
    std::vector<std::chrono::nanoseconds> calls;
    ramie::timer t(1s, 2s, [&] {
        calls.push_back(clock_.elapsed());
        this_fiber::sleep_for(calls.size() == 2 ? 3s : 1s);
    });
    this_fiber::sleep_for(10500ms);
    EXPECT_EQ(calls, (std::vector<std::chrono::nanoseconds>{1s, 3s, 7s, 9s}));
    t.cancel();
    EXPECT_FALSE(t.active());
    this_fiber::sleep_for(10s);
    EXPECT_EQ(calls.size(), 4U);
}

TEST_F(timer, is_cancelled_by_the_end_of_its_scope_and_by_itself) {
    int calls = 0;
    {
        const ramie::timer never(1s, [&] { ++calls; });
    }
    ramie::timer* self = nullptr;
    ramie::timer t(1s, 1s, [&] {
        if (++calls == 2) self->cancel();
        this_fiber::yield();  // goes on
        if (calls == 2) ++calls;
    });
    self = &t;
    this_fiber::sleep_for(10s);
    EXPECT_EQ(calls, 3);
}

// Found: a cancel() that only remembers it.
TEST_F(timer, that_is_cancelled_leaves_nothing_behind) {
    const auto held = std::make_shared<int>();
    ramie::timer once(1h, [held] {});
    ramie::timer often(1s, 1h, [held] {});
    this_fiber::sleep_for(2s);
    once.cancel();
    often.cancel();
    this_fiber::yield();
    const auto left = ramie::stats();
    EXPECT_EQ(left.fibers, 0U);
    EXPECT_EQ(left.timers, 0U);
}

TEST_F(timer, goes_on_after_a_call_that_throws) {
    int calls = 0;
    const std::string report = ramie::test::stderr_of([&] {
        const ramie::timer t(1s, 1s, [&] {
            ++calls;
            throw std::runtime_error("boom");
        });
        this_fiber::sleep_for(2500ms);
    });
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(ramie::test::count_of("unhandled exception in a timer", report), 2);
    this_fiber::yield();
}

TEST_F(timer, can_be_moved_and_checks_its_arguments) {
    int calls = 0;
    ramie::timer first(1s, [&] { ++calls; });
    const ramie::timer second(std::move(first));
    this_fiber::sleep_for(2s);
    EXPECT_EQ(calls, 1);
    EXPECT_THROW(ramie::timer(1s, 0s, [] {}), std::invalid_argument);
    EXPECT_THROW(ramie::timer(1s, nullptr), std::invalid_argument);
}

}  // namespace
