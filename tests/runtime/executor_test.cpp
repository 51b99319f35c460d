#include "ramie/executor.hpp"

#include <atomic>
#include <memory>
#include <vector>

#include "ramie/semaphore.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using executor = ramie::test::fiber_test;
using fiber_executor = ramie::test::virtual_time_test;
using ramie::wait_until;
namespace this_fiber = ramie::this_fiber;

int nap(int seconds) {
    this_fiber::sleep_for(std::chrono::seconds(seconds));
    if (seconds == 3) throw std::runtime_error("three");
    return seconds;
}

TEST_F(executor, returns_and_throws_from_threads) {
    ramie::thread_executor e(2);
    auto one = e.submit([] { return 1; });
    auto none = e.submit([] {});
    auto bad = e.submit([]() -> int { throw std::runtime_error("no"); });
    EXPECT_EQ(one.get(), 1);
    none.get();
    EXPECT_EQ(ramie::test::error_of([&] { bad.get(); }), "no");
    EXPECT_TRUE(bad.done());
    EXPECT_NE(bad.exception(), nullptr);
    int sum = 0;
    for (const auto& each : e.map(std::vector{1, 2, 3}, [](int i) { return i * i; }))
        sum += each.get();
    EXPECT_EQ(sum, 14);
    e.shutdown();
    EXPECT_NE(ramie::test::error_of<std::logic_error>([&] { e.submit([] {}); }), "");
}

TEST_F(fiber_executor, waits_for_the_first_a_failure_or_all) {
    ramie::fiber_executor e(10);
    const auto futures = e.map(std::vector{2, 1, 3, 4}, &nap);
    EXPECT_TRUE(ramie::wait(futures, wait_until::all_completed, 500ms).empty());
    EXPECT_EQ(ramie::wait(futures, wait_until::first_completed), std::vector<std::size_t>{1});
    EXPECT_EQ(ramie::wait(futures, wait_until::first_exception),
              (std::vector<std::size_t>{0, 1, 2}));
    EXPECT_EQ(ramie::wait(futures, wait_until::all_completed).size(), 4U);
    EXPECT_EQ(clock_.elapsed(), 4s);
}

TEST_F(fiber_executor, cancels_what_has_not_begun) {
    ramie::fiber_executor e(1);
    auto first = e.submit([] { return nap(2); });
    auto second = e.submit([] { return nap(1); });
    int told = 0;
    second.add_done_callback([&] { ++told; });
    this_fiber::yield();
    EXPECT_FALSE(first.cancel());
    EXPECT_TRUE(second.cancel());
    EXPECT_EQ(told, 1);
    EXPECT_THROW(second.get(), ramie::future_cancelled);
    EXPECT_THROW(first.get(1s), ramie::timeout_expired);
    auto third = e.submit([] { return nap(1); });
    e.shutdown(true, true);
    EXPECT_EQ(first.get(), 2);
    EXPECT_TRUE(third.cancelled());
    first.add_done_callback([&] { ++told; });
    EXPECT_EQ(told, 2);
    ramie::test::let_others_run();
}

}  // namespace
