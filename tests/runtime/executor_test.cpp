#include "ramie/executor.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ramie/debug.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"
#include "support/takers.hpp"

namespace {

using namespace std::chrono_literals;
using executor = ramie::test::fiber_test;
using fiber_executor = ramie::test::virtual_time_test;
using future_wait = ramie::test::virtual_time_test;
using as_completed = ramie::test::virtual_time_test;
using ramie::wait_until;
namespace this_fiber = ramie::this_fiber;

int nap(int seconds) {
    this_fiber::sleep_for(std::chrono::seconds(seconds));
    if (seconds == 3) throw std::runtime_error("three");
    return seconds;
}

// A future for each; the one of three seconds fails.
auto napping(ramie::executor& e, const std::vector<int>& seconds) {
    std::vector<ramie::future<int>> all;
    for (const int each : seconds) all.push_back(e.submit([each] { return nap(each); }));
    return all;
}

// Which of `all` they are.
template <class Future>
std::vector<std::size_t> places(const std::vector<Future>& some, const std::vector<Future>& all) {
    std::vector<std::size_t> numbers;
    for (const auto& each : some)
        numbers.push_back(static_cast<std::size_t>(std::ranges::find(all, each) - all.begin()));
    return numbers;
}
using numbers = std::vector<std::size_t>;

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
    EXPECT_EQ(e.submit([p = std::make_unique<int>(7)] { return *p; }).get(), 7);
    e.shutdown();
    EXPECT_NE(ramie::test::error_of<std::logic_error>([&] { e.submit([] {}); }), "");
}

TEST_F(executor, maps_in_order_on_threads) {
    ramie::thread_executor e(3);
    const auto squares = e.map(std::vector{5, 1, 4}, [](int i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(i));
        return i * i;
    });
    EXPECT_EQ(squares, (std::vector{25, 1, 16}));
    std::atomic<int> sum = 0;
    e.map(std::vector{1, 2, 3}, [&](int i) { sum += i; });
    EXPECT_EQ(sum, 6);
    e.shutdown();
}

// Work that is dropped with its pool would never be done.
TEST_F(executor, that_goes_cancels_what_it_has_not_begun) {
    std::promise<void> go_on;
    auto e = std::make_unique<ramie::thread_executor>(1);
    std::atomic<bool> begun = false;
    auto first = e->submit([&begun, wait = go_on.get_future().share()] {
        begun = true;
        wait.wait();
    });
    auto second = e->submit([] { return 1; });
    while (!begun) this_fiber::sleep_for(1ms);
    int told = 0;
    second.add_done_callback([&] {
        ++told;
        go_on.set_value();
    });
    e.reset();
    EXPECT_TRUE(second.cancelled());
    EXPECT_EQ(told, 1);
    EXPECT_THROW(second.get(), ramie::future_cancelled);
    first.get();
}

TEST_F(executor, waits_for_threads_from_the_fibers_of_another) {
    ramie::thread_executor e(2);
    std::thread([&] {
        ramie::run([&] {
            std::vector<ramie::future<int>> all;
            for (int i = 0; i != 50; ++i) all.push_back(e.submit([i] { return i; }));
            int sum = 0;
            for (const auto& each : ramie::as_completed(all)) sum += each.get();
            EXPECT_EQ(sum, 50 * 49 / 2);
            EXPECT_EQ(ramie::wait(all).done.size(), 50U);
        });
    }).join();
    e.shutdown();
}

TEST_F(executor, calls_back_with_the_future_and_reports_what_that_throws) {
    std::vector<std::string> reports;
    ramie::on_unhandled_exception(
        [&](const std::string& where, std::exception_ptr) { reports.push_back(where); });
    ramie::fiber_executor e(1);
    const auto f = e.submit([] { return 5; });
    int got = 0;
    f.add_done_callback([](const ramie::future<int>&) { throw std::runtime_error("no"); });
    f.add_done_callback([&](const ramie::future<int>& done) { got = done.get(); });
    f.get();
    EXPECT_EQ(got, 5);
    EXPECT_EQ(reports, std::vector<std::string>{"a callback of a future"});
    ramie::on_unhandled_exception(nullptr);
    ramie::test::let_others_run();
}

TEST_F(future_wait, ends_with_the_first_a_failure_or_all) {
    ramie::fiber_executor e(10);
    const auto all = napping(e, {2, 1, 3, 4});
    const auto none = ramie::wait(all, wait_until::all_completed, 500ms);
    EXPECT_TRUE(none.done.empty());
    EXPECT_EQ(places(none.not_done, all), (numbers{0, 1, 2, 3}));
    EXPECT_EQ(places(ramie::wait(all, wait_until::first_completed).done, all), numbers{1});
    EXPECT_EQ(clock_.elapsed(), 1s);
    const auto [done, pending] = ramie::wait(all, wait_until::first_exception);
    EXPECT_EQ(places(done, all), (numbers{0, 1, 2}));
    EXPECT_EQ(places(pending, all), numbers{3});
    EXPECT_EQ(ramie::wait(all).done.size(), 4U);
    EXPECT_EQ(clock_.elapsed(), 4s);
    EXPECT_TRUE(ramie::wait(std::vector<ramie::future<int>>{}).done.empty());
}

TEST_F(future_wait, takes_a_cancelled_one_for_done_and_not_for_failed) {
    ramie::fiber_executor e(1);
    const auto all = napping(e, {1, 2, 4});
    all[1].cancel();
    const auto [done, pending] = ramie::wait(all, wait_until::first_exception);
    EXPECT_EQ(done.size(), 3U);
    EXPECT_EQ(clock_.elapsed(), 5s);
}

// Each wait would else leave a callback behind for as long as the work lasts.
TEST_F(future_wait, leaves_nothing_behind_when_it_times_out) {
    ramie::fiber_executor e(1);
    const auto all = napping(e, {3600});
    const auto state = all[0].state();
    for (int i = 0; i != 10; ++i) {
        EXPECT_FALSE(all[0].wait(1ms));
        EXPECT_THROW(all[0].get(1ms), ramie::timeout_expired);
        ramie::wait(all, wait_until::all_completed, 1ms);
        EXPECT_THROW(ramie::as_completed(all, 1ms).get(), ramie::timeout_expired);
        EXPECT_THROW(ramie::with_timeout(1ms, [&] { all[0].get(); }), ramie::timeout_expired);
    }
    EXPECT_EQ(state->callbacks(), 0U);
    all[0].get();
}

TEST_F(as_completed, gives_them_in_the_order_in_which_they_are_done) {
    ramie::fiber_executor e(10);
    const auto all = napping(e, {2, 4, 1, 3});
    all[2].wait();
    std::vector<std::size_t> order;
    for (const auto& each : ramie::as_completed(all)) {
        EXPECT_TRUE(each.done());
        order.push_back(places(std::vector{each}, all)[0]);
    }
    EXPECT_EQ(order, (numbers{2, 0, 3, 1}));
}

TEST_F(as_completed, ends_at_the_deadline_and_loses_none) {
    ramie::fiber_executor e(10);
    const auto all = napping(e, {1, 5});
    auto some = ramie::as_completed(all, 2s);
    EXPECT_EQ(some.get(), all[0]);
    EXPECT_THROW(some.get(), ramie::timeout_expired);
    all[1].wait();
    EXPECT_EQ(some.get(), all[1]);
    EXPECT_THROW(some.get(), ramie::queue_shutdown);
}

TEST_F(fiber_executor, maps_in_order_and_cancels_the_rest_after_a_failure) {
    ramie::fiber_executor e(2);
    EXPECT_EQ(e.map(std::vector{2, 1, 4}, &nap), (std::vector{2, 1, 4}));
    std::vector<int> begun;
    const auto note = [&](int i) {
        begun.push_back(i);
        return nap(i);
    };
    EXPECT_THROW(e.map(std::vector{3, 5, 1, 2}, note), std::runtime_error);
    EXPECT_THROW(e.map(std::vector{5, 6, 7}, note, 1s), ramie::timeout_expired);
    e.shutdown();
    EXPECT_EQ(begun, (std::vector{3, 5, 5}));
    ramie::test::let_others_run();
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

TEST_F(executor, gives_what_can_only_be_moved) {
    ramie::thread_executor e(1);
    const auto box = [](int i) { return std::make_unique<int>(i); };
    const ramie::future<std::unique_ptr<int>> one = e.submit([box] { return box(1); });
    EXPECT_EQ(*one.take(), 1);
    EXPECT_EQ(*e.map(std::vector{1, 2}, box).at(1), 2);
    e.shutdown();
}

// Found: one place for whoever waits, and a count that is looked at before the wait.
TEST_F(as_completed, serves_several_takers_in_turn) {
    ramie::fiber_executor e(10);
    const auto all = napping(e, {1, 2, 4});
    auto range = ramie::as_completed(all);
    EXPECT_EQ(ramie::test::taken_by_two(range).size(), 3U);
}

TEST_F(fiber_executor, makes_a_fiber_only_when_there_is_a_slot_for_it) {
    ramie::fiber_executor e(2);
    std::vector<ramie::future<int>> all;
    std::vector<int> begun;
    for (int i = 0; i != 100; ++i)
        all.push_back(e.submit([&begun, i] {
            begun.push_back(i);
            EXPECT_LE(ramie::stats().fibers, 3U);
            return this_fiber::sleep_for(1s), i;
        }));
    EXPECT_LE(ramie::stats().fibers, 3U) << "two at work, and one that waits to start the next";
    EXPECT_TRUE(e.shutdown());
    EXPECT_TRUE(std::ranges::is_sorted(begun));
    EXPECT_EQ(begun.size(), 100U);
    EXPECT_EQ(clock_.elapsed(), 50s);
    ramie::test::let_others_run();
}

TEST_F(fiber_executor, goes_on_with_what_waits_when_it_is_gone) {
    std::vector<ramie::future<int>> all;
    {
        ramie::fiber_executor e(1);
        all = napping(e, {1, 2, 1});
    }
    for (const auto& each : all) each.wait();
    EXPECT_EQ(clock_.elapsed(), 4s);
    ramie::test::let_others_run();
}

TEST_F(fiber_executor, waits_for_its_end_within_a_deadline) {
    ramie::fiber_executor e(1);
    const auto all = napping(e, {1, 1});
    EXPECT_FALSE(e.shutdown(true, false, 1500ms));
    EXPECT_TRUE(e.shutdown(true, false, 5s));
    EXPECT_EQ(clock_.elapsed(), 2s);
    ramie::test::let_others_run();
}

// Found: to keep the kill for whoever asks, and to let the work's own fiber live on.
TEST_F(fiber_executor, cancels_work_whose_fiber_is_killed) {
    ramie::fiber_executor e(1);
    ramie::fiber_base worker;
    const auto f = e.submit([&] {
        worker = this_fiber::self();
        return nap(1);
    });
    this_fiber::yield();
    worker.kill();
    EXPECT_THROW(f.get(), ramie::future_cancelled);
    EXPECT_TRUE(worker.core()->exited);
}

TEST_F(fiber_executor, hands_the_end_of_the_program_to_the_main_fiber) {
    ramie::fiber_executor e(1);
    e.submit([] { throw ramie::system_exit{3}; });
    EXPECT_THROW(this_fiber::sleep_for(1h), ramie::system_exit);
}

}  // namespace
