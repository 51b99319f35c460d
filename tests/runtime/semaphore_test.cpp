#include "ramie/semaphore.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using semaphore = ramie::test::virtual_time_test;
using bounded_semaphore = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::error_of;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

TEST_F(semaphore, counts) {
    ramie::semaphore s(2);
    EXPECT_TRUE(s.try_acquire());
    EXPECT_TRUE(s.acquire());
    EXPECT_FALSE(s.try_acquire());
    EXPECT_FALSE(s.acquire(1s));
    EXPECT_FALSE(s.try_acquire_for(1s));
    EXPECT_EQ(clock_.elapsed(), 2s);
    s.release(3);
    EXPECT_EQ(s.permits(), 3U);
}

TEST_F(semaphore, bounds_how_many_have_it) {
    ramie::semaphore s(3);
    int inside = 0, most = 0;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 20; ++i)
        fibers.push_back(spawn([&] {
            const std::lock_guard permit(s);
            most = std::max(most, ++inside);
            this_fiber::sleep_for(1s);
            --inside;
        }));
    ramie::join_all(fibers);
    EXPECT_EQ(most, 3);
    EXPECT_EQ(clock_.elapsed(), 7s);
    EXPECT_EQ(s.permits(), 3U);
}

// gevent's issue 1487.
TEST_F(semaphore, goes_to_the_first_that_waits_though_its_releaser_asks_again) {
    ramie::semaphore s(0);
    std::vector<int> order;
    for (int i = 0; i != 3; ++i)
        spawn([&, i] {
            s.acquire();
            order.push_back(i);
            s.release();
        });
    this_fiber::yield();
    s.release();
    EXPECT_FALSE(s.try_acquire());
    s.acquire();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST_F(semaphore, wakes_as_many_as_are_released) {
    ramie::semaphore s(0);
    int got = 0;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 5; ++i)
        fibers.push_back(spawn([&] {
            s.acquire();
            ++got;
        }));
    this_fiber::yield();
    s.release(3);
    let_others_run();
    EXPECT_EQ(got, 3);
    EXPECT_EQ(s.permits(), 0U);
    s.release(3);
    ramie::join_all(fibers);
    EXPECT_EQ(s.permits(), 1U);
}

TEST_F(semaphore, loses_no_permit_to_a_killed_or_timed_out_waiter) {
    ramie::semaphore s(0);
    auto impatient = spawn([&] { EXPECT_FALSE(s.acquire(1s)); });
    auto killed = spawn([&] { s.acquire(); });
    impatient.join();
    killed.try_kill();
    s.release();  // before the killed one has run
    killed.join();
    EXPECT_EQ(s.permits(), 1U);
}

TEST_F(semaphore, that_was_handed_over_is_not_lost_by_a_kill) {
    ramie::semaphore s(0);
    bool got = false;
    auto killed = spawn([&] {
        got = s.acquire();
        this_fiber::yield();
        ADD_FAILURE() << "the kill was forgotten";
    });
    this_fiber::yield();
    s.release();
    killed.try_kill();
    killed.join();
    EXPECT_TRUE(got);
}

// A timeout that is cancelled before the fiber that it woke has run never happened.
TEST_F(semaphore, is_had_by_who_was_passed_over_for_a_timeout_that_was_cancelled) {
    ramie::semaphore s(0);
    std::optional<ramie::timeout> limit;
    auto releasing = spawn([&] {
        this_fiber::sleep_for(1s);
        EXPECT_TRUE(limit->expired());
        s.release();
        limit->cancel();
    });
    auto waiting = spawn([&] {
        limit.emplace(1s);
        return s.acquire();
    });
    EXPECT_TRUE(waiting.get());
    releasing.join();
    EXPECT_EQ(s.permits(), 0U);
}

TEST_F(semaphore, can_be_released_on_the_loop) {
    ramie::semaphore s(0);
    ramie::this_scheduler().post([&] {
        EXPECT_NE(error_of<std::logic_error>([&] { s.acquire(); }), "");
        s.release();
    });
    EXPECT_TRUE(s.acquire());
}

TEST_F(semaphore, that_is_destroyed_tells_those_who_wait) {
    auto s = std::make_unique<ramie::semaphore>(0);
    auto waiting = spawn([&] { EXPECT_NE(error_of<std::logic_error>([&] { s->acquire(); }), ""); });
    this_fiber::yield();
    s.reset();
    waiting.join();
}

TEST_F(bounded_semaphore, refuses_what_was_not_taken) {
    ramie::bounded_semaphore s(2);
    EXPECT_NE(error_of<std::logic_error>([&] { s.release(); }), "");
    EXPECT_TRUE(s.acquire());
    EXPECT_NE(error_of<std::logic_error>([&] { s.release(2); }), "");
    EXPECT_TRUE(s.try_acquire());
    EXPECT_FALSE(s.acquire(1s));
    s.release(2);
    EXPECT_EQ(s.permits(), 2U);
    EXPECT_NE(error_of<std::logic_error>([&] { s.release(); }), "");
}

TEST_F(bounded_semaphore, counts_what_is_handed_over) {
    ramie::bounded_semaphore s(1);
    s.lock();
    auto next = spawn([&] {
        const std::lock_guard permit(s);
        this_fiber::yield();
    });
    this_fiber::yield();
    s.unlock();
    EXPECT_NE(error_of<std::logic_error>([&] { s.release(); }), "");
    next.join();
    EXPECT_EQ(s.permits(), 1U);
}

}  // namespace
