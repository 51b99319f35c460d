#include "ramie/condition_variable.hpp"

#include <memory>
#include <mutex>
#include <vector>

#include "ramie/mutex.hpp"
#include "ramie/semaphore.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using condition_variable = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

struct setting {
    ramie::mutex m;
    ramie::condition_variable c;
    std::vector<int> order;

    void wait_as(int number) {
        std::unique_lock held(m);
        if (!c.wait(held)) return;
        EXPECT_TRUE(m.is_mine());
        order.push_back(number);
    }
};

TEST_F(condition_variable, wakes_one_or_all_in_order) {
    setting s;
    for (int i = 0; i != 5; ++i) spawn([&, i] { s.wait_as(i); });
    s.c.notify_one();  // nobody waits yet
    let_others_run();
    EXPECT_TRUE(s.order.empty());
    s.c.notify_one();
    let_others_run();
    EXPECT_EQ(s.order, std::vector<int>{0});
    s.c.notify_all();
    let_others_run();
    EXPECT_EQ(s.order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(condition_variable, waits_for_a_predicate) {
    setting s;
    int level = 0;
    auto f = spawn([&] {
        std::unique_lock held(s.m);
        EXPECT_TRUE(s.c.wait(held, [&] { return level == 2; }));
        EXPECT_FALSE(s.c.wait(
            held, [&] { return level == 3; }, 1s));
        EXPECT_TRUE(held.owns_lock());
    });
    for (int i = 0; i != 2; ++i) {
        this_fiber::yield();
        const std::lock_guard held(s.m);
        ++level;
        s.c.notify_all();
    }
    f.join();
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(condition_variable, holds_the_lock_again_at_the_deadline) {
    setting s;
    std::unique_lock held(s.m);
    EXPECT_FALSE(s.c.wait(held, 1s));
    EXPECT_TRUE(s.m.is_mine());
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(condition_variable, works_with_any_lock) {
    ramie::semaphore s(1);
    ramie::condition_variable c;
    s.acquire();
    auto f = spawn([&] {
        s.acquire();
        c.notify_one();
        s.release();
    });
    EXPECT_TRUE(c.wait(s));
    EXPECT_EQ(s.permits(), 0U);
    f.join();
}

// The killed one was told first, and passes nothing on: the notification goes to the one behind.
TEST_F(condition_variable, loses_no_notification_to_a_killed_waiter) {
    setting s;
    auto killed = spawn([&] { s.wait_as(0); });
    auto next = spawn([&] { s.wait_as(1); });
    let_others_run();
    killed.try_kill();
    s.c.notify_one();
    next.join();
    EXPECT_EQ(s.order, std::vector<int>{1});
    EXPECT_FALSE(s.m.is_locked());
}

TEST_F(condition_variable, holds_the_lock_while_a_killed_waiter_unwinds) {
    setting s;
    bool mine = false;
    auto killed = spawn([&] {
        std::unique_lock held(s.m);
        const ramie::test::at_exit check([&] { mine = s.m.is_mine(); });
        s.c.wait(held);
    });
    this_fiber::yield();
    s.m.lock();
    killed.try_kill();
    let_others_run();
    EXPECT_FALSE(killed.ready());  // it waits for the lock first
    s.m.unlock();
    killed.join();
    EXPECT_TRUE(mine);
    EXPECT_FALSE(s.m.is_locked());
}

// Notified, and killed while it waits for the lock: the notification was taken, so it counts.
TEST_F(condition_variable, is_not_interrupted_between_the_notification_and_the_lock) {
    setting s;
    auto f = spawn([&] { s.wait_as(1); });
    this_fiber::yield();
    s.m.lock();
    s.c.notify_one();
    this_fiber::yield();
    f.try_kill();
    s.m.unlock();
    f.join();
    EXPECT_EQ(s.order, std::vector<int>{1});
}

TEST_F(condition_variable, breaks_off_at_the_timeout_around_it) {
    setting s;
    const ramie::timeout limit(1s);
    std::unique_lock held(s.m);
    EXPECT_THROW(s.c.wait(held), ramie::timeout_expired);
    EXPECT_TRUE(s.m.is_mine());
}

TEST_F(condition_variable, that_is_destroyed_tells_those_who_wait) {
    auto c = std::make_unique<ramie::condition_variable>();
    ramie::mutex m;
    auto f = spawn([&] {
        std::unique_lock held(m);
        EXPECT_THROW(c->wait(held), std::logic_error);
        EXPECT_TRUE(m.is_mine());
    });
    this_fiber::yield();
    c.reset();
    f.join();
}

}  // namespace
