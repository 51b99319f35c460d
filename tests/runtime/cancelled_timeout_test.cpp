// A timeout that broke a wait, and that another fiber cancels before the one that it woke has run:
// it never happened, and the wait goes on.

#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ramie/asio.hpp"
#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/mutex.hpp"
#include "ramie/queue.hpp"
#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using cancelled_timeout = ramie::test::virtual_time_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

// What `wait` returns, in a fiber; it begins a second before the cancellation, after which
// `meanwhile` is called. What `before` does comes between the expiry and the cancellation.
template <class F, class Before, class Meanwhile>
auto wait_through(F wait, Before before, Meanwhile meanwhile) {
    std::optional<ramie::timeout> limit;
    auto waiting = spawn([&] {
        this_fiber::yield();  // so that the other one's timer is the first of the two
        limit.emplace(1s);
        return wait();
    });
    auto cancelling = spawn([&] {
        this_fiber::sleep_for(1s);
        EXPECT_TRUE(limit->expired());
        before();
        limit->cancel();
        meanwhile();
    });
    cancelling.join();
    return waiting.get();
}

template <class F>
auto wait_through(F wait) {
    return wait_through(
        std::move(wait), [] {}, [] {});
}

TEST_F(cancelled_timeout, does_not_shorten_a_sleep) {
    wait_through([] { this_fiber::sleep_for(3s); });
    EXPECT_EQ(clock_.elapsed(), 3s);
}

TEST_F(cancelled_timeout, does_not_end_the_wait_for_an_event) {
    ramie::event news;
    ramie::spawn_later(2s, [&] { news.set(); });
    EXPECT_TRUE(wait_through([&] { return news.wait(3s); }));
    EXPECT_EQ(clock_.elapsed(), 2s);
    ramie::event never;
    EXPECT_FALSE(wait_through([&] { return never.wait(3s); }));
    EXPECT_EQ(clock_.elapsed(), 5s);
}

TEST_F(cancelled_timeout, loses_no_event_that_was_set_meanwhile) {
    ramie::event news;
    const auto flash = [&] {
        news.set();
        news.clear();
    };
    EXPECT_TRUE(wait_through([&] { return news.wait(1h); }, flash, [] {}));
    EXPECT_TRUE(wait_through([&] { return news.wait(1h); }, [] {}, flash));
    EXPECT_EQ(clock_.elapsed(), 2s);
}

// Passed over, its fiber stands in front of those that came later.
// Found: enqueue() in place of enqueue_first() in wait_for_turn().
TEST_F(cancelled_timeout, leaves_its_fiber_first_in_line) {
    ramie::mutex m;
    std::string order;
    const auto take = [&](char who) {
        const std::lock_guard held(m);
        order += who;
        this_fiber::yield();
    };
    m.lock();
    std::optional<ramie::timeout> limit;
    auto spared = spawn([&] {
        this_fiber::yield();  // so that the main fiber's timer is the first of the two
        limit.emplace(1s);
        take('a');
    });
    auto next = spawn([&] {
        ramie::test::let_others_run();
        take('b');
    });
    auto last = spawn([&] {
        ramie::test::let_others_run();
        take('c');
    });
    this_fiber::sleep_for(1s);
    EXPECT_TRUE(limit->expired());
    m.unlock();  // to the second: the first is about to leave
    limit->cancel();
    ramie::join_all(std::vector{spared, next, last}, ramie::on_error::rethrow);
    EXPECT_EQ(order, "bac");
}

// Found: `return false` in the look of wait_until_finished().
TEST_F(cancelled_timeout, loses_no_end_of_the_tasks_of_a_queue) {
    ramie::joinable_queue<int> jobs;
    jobs.put(1);
    const auto finish = [&] {
        jobs.get();
        jobs.task_done();
    };
    EXPECT_TRUE(wait_through([&] { return jobs.join(1h); }, finish, [] {}));
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(cancelled_timeout, does_not_end_a_join) {
    auto worker = spawn([] { this_fiber::sleep_for(2s); });
    EXPECT_TRUE(wait_through([&] { return worker.join(); }));
    EXPECT_TRUE(worker.ready());
    auto longer = spawn([] { this_fiber::sleep_for(5s); });
    EXPECT_FALSE(wait_through([&] { return longer.join(2s); }));
    EXPECT_EQ(clock_.elapsed(), 4s);
    longer.join();
}

TEST_F(cancelled_timeout, does_not_end_the_wait_for_several_fibers) {
    const std::vector workers{spawn([] { this_fiber::sleep_for(2s); }),
                              spawn([] { this_fiber::sleep_for(3s); })};
    EXPECT_EQ(wait_through([&] { return ramie::wait_any(workers); }), 0U);
    EXPECT_TRUE(wait_through([&] { return ramie::join_all(workers); }));
    EXPECT_EQ(clock_.elapsed(), 3s);
}

TEST_F(cancelled_timeout, does_not_end_the_wait_for_a_result) {
    ramie::async_result<int> result;
    ramie::spawn_later(2s, [&] { result.set(7); });
    EXPECT_EQ(wait_through([&] { return result.get(); }), 7);
}

TEST_F(cancelled_timeout, does_not_end_the_wait_for_a_descriptor) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    EXPECT_FALSE(wait_through([&] { return ramie::wait_readable(ends[0], 2s); }));
    EXPECT_EQ(clock_.elapsed(), 2s);
    ramie::spawn_later(2s, [&] { EXPECT_EQ(::write(ends[1], "x", 1), 1); });
    EXPECT_TRUE(wait_through([&] { return ramie::wait_readable(ends[0], 1h); }));
    for (const int end : ends) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

// In real time, which an operation of Asio needs.
TEST(cancelled_timeout_in_real_time, does_not_end_an_asio_operation) {
    std::optional<ramie::timeout> limit;
    auto waiting = spawn([&] {
        boost::asio::steady_timer timer(ramie::this_io_context(), 30ms);
        limit.emplace(1h);
        timer.async_wait(ramie::use_fiber);
        limit.reset();
    });
    this_fiber::yield();
    limit->restart(0s);
    // Posted functions run before timers expire, so this fiber goes on behind the expiry.
    while (!limit->expired()) this_fiber::yield();
    limit->cancel();
    EXPECT_NO_THROW(waiting.get());
    ramie::test::end_scheduler();
}

}  // namespace
