#include "ramie/mutex.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using mutex = ramie::test::virtual_time_test;
using recursive_mutex = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::error_of;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

TEST_F(mutex, excludes) {
    ramie::mutex m;
    EXPECT_TRUE(m.try_lock());
    EXPECT_TRUE(m.is_mine());
    auto other = spawn([&] {
        EXPECT_FALSE(m.try_lock());
        EXPECT_FALSE(m.is_mine());
        EXPECT_TRUE(m.is_locked());
    });
    other.join();
    m.unlock();
    EXPECT_FALSE(m.is_locked());
}

TEST_F(mutex, works_with_the_standard_guards) {
    ramie::mutex a, b;
    {
        const std::scoped_lock both(a, b);
        EXPECT_TRUE(a.is_mine());
        EXPECT_TRUE(b.is_mine());
    }
    const std::lock_guard held(a);
    auto other = spawn([&] {
        EXPECT_FALSE(std::unique_lock(a, std::try_to_lock).owns_lock());
        EXPECT_FALSE(std::unique_lock(a, 1s).owns_lock());
        EXPECT_FALSE(std::unique_lock(a, std::chrono::steady_clock::now()).owns_lock());
    });
    other.join();
    EXPECT_GE(clock_.elapsed(), 1s);
}

TEST_F(mutex, is_handed_over_in_order_of_arrival) {
    ramie::mutex m;
    std::vector<int> order;
    m.lock();
    for (int i = 0; i != 100; ++i)
        spawn([&, i] {
            const std::lock_guard held(m);
            order.push_back(i);
            this_fiber::yield();
        });
    this_fiber::yield();
    m.unlock();
    m.lock();  // behind all of them, though it was free for a moment
    ASSERT_EQ(order.size(), 100U);
    for (int i = 0; i != 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
    m.unlock();
    let_others_run();
}

TEST_F(mutex, belongs_to_the_first_that_waits_from_the_moment_of_the_unlock) {
    ramie::mutex m;
    m.lock();
    auto next = spawn([&] { const std::lock_guard held(m); });
    this_fiber::yield();
    m.unlock();
    EXPECT_TRUE(m.is_locked());
    EXPECT_FALSE(m.try_lock());
    next.join();
    EXPECT_FALSE(m.is_locked());
}

TEST_F(mutex, is_given_up_at_the_deadline) {
    ramie::mutex m;
    m.lock();
    auto impatient = spawn([&] { EXPECT_FALSE(m.lock(1s)); });
    auto patient = spawn([&] {
        EXPECT_TRUE(m.lock(3s));
        m.unlock();
    });
    impatient.join();
    EXPECT_EQ(clock_.elapsed(), 1s);
    m.unlock();
    patient.join();
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(mutex, is_not_held_by_who_was_killed_while_waiting) {
    ramie::mutex m;
    m.lock();
    auto killed = spawn([&] { m.lock(); });
    auto next = spawn([&] {
        m.lock();
        m.unlock();
    });
    this_fiber::yield();
    killed.kill();
    m.unlock();
    next.join();
    EXPECT_TRUE(next.successful());
    EXPECT_FALSE(m.is_locked());
}

// A kill that comes after the hand-over waits for the next suspension.
TEST_F(mutex, that_was_handed_over_is_not_lost_by_a_kill) {
    ramie::mutex m;
    bool got = false;
    m.lock();
    auto next = spawn([&] {
        const std::lock_guard held(m);
        got = m.is_mine();
        this_fiber::yield();
        ADD_FAILURE() << "the kill was forgotten";
    });
    this_fiber::yield();
    m.unlock();
    next.try_kill();
    next.join();
    EXPECT_TRUE(got);
    EXPECT_FALSE(m.is_locked());
}

// The kill came first: the lock goes to the one behind.
TEST_F(mutex, passes_over_who_was_killed_before_the_hand_over) {
    ramie::mutex m;
    m.lock();
    auto killed = spawn([&] {
        m.lock();
        ADD_FAILURE() << "it was killed first";
    });
    auto next = spawn([&] { const std::lock_guard held(m); });
    this_fiber::yield();
    killed.try_kill();
    m.unlock();
    next.join();
    EXPECT_TRUE(killed.ready());
    EXPECT_FALSE(m.is_locked());
}

// A timeout that is cancelled before the fiber that it woke has run never happened.
TEST_F(mutex, is_still_had_by_who_was_passed_over_for_a_timeout_that_was_cancelled) {
    for (const bool contended : {false, true}) {
        ramie::mutex m;
        std::optional<ramie::timeout> limit;
        std::vector<int> order;
        auto holder = spawn([&] {
            m.lock();
            this_fiber::sleep_for(1s);
            EXPECT_TRUE(limit->expired());
            m.unlock();
            limit->cancel();
        });
        auto first = spawn([&] {
            limit.emplace(1s);
            const std::lock_guard held(m);
            order.push_back(1);
        });
        this_fiber::yield();
        ramie::fiber<> second;
        if (contended)
            second = spawn([&] {
                const std::lock_guard held(m);
                order.push_back(2);
                this_fiber::yield();
            });
        first.join();
        holder.join();
        second.join();
        EXPECT_EQ(order, contended ? (std::vector<int>{2, 1}) : std::vector<int>{1});
        EXPECT_FALSE(m.is_locked());
    }
}

TEST_F(mutex, refuses_to_be_locked_twice_by_a_fiber) {
    ramie::mutex m;
    const std::lock_guard held(m);
    const std::string text = error_of<ramie::deadlock_error>([&] { m.lock(1s); });
    EXPECT_NE(text.find("the main fiber locks a mutex that it holds"), text.npos) << text;
    EXPECT_FALSE(m.try_lock());
    EXPECT_EQ(clock_.elapsed(), 0s);
}

TEST_F(mutex, refuses_to_be_unlocked_by_another) {
    ramie::mutex m;
    EXPECT_NE(error_of<std::logic_error>([&] { m.unlock(); }), "");
    m.lock();
    auto other = spawn([&] {
        const std::string text = error_of<std::logic_error>([&] { m.unlock(); });
        EXPECT_NE(text.find("held by the main fiber"), text.npos) << text;
    });
    other.join();
    EXPECT_TRUE(m.is_mine());
    m.unlock();
}

TEST_F(mutex, refuses_the_loop) {
    ramie::mutex m;
    bool asked = false;
    ramie::this_scheduler().post([&] {
        EXPECT_NE(error_of<std::logic_error>([&] { m.lock(); }), "");
        EXPECT_NE(error_of<std::logic_error>([&] { (void)m.try_lock(); }), "");
        EXPECT_NE(error_of<std::logic_error>([&] { m.unlock(); }), "");
        asked = true;
    });
    this_fiber::sleep_for(1s);
    EXPECT_TRUE(asked);
}

TEST_F(mutex, names_its_holder_when_there_is_a_deadlock) {
    ramie::mutex a, b;
    auto one = spawn({.name = "one"}, [&] {
        const std::lock_guard first(a);
        this_fiber::yield();
        const std::lock_guard second(b);
    });
    auto two = spawn({.name = "two"}, [&] {
        const std::lock_guard first(b);
        this_fiber::yield();
        const std::lock_guard second(a);
    });
    const std::string text = error_of<ramie::deadlock_error>([&] { one.join(); });
    EXPECT_NE(text.find("\"one\": parked, waits for a mutex held by fiber 2 \"two\""), text.npos)
        << text;
    EXPECT_NE(text.find("\"two\": parked, waits for a mutex held by fiber 1 \"one\""), text.npos)
        << text;
    one.kill();
    two.join();
}

TEST_F(mutex, is_known_to_be_held_by_a_fiber_that_has_ended) {
    ramie::mutex m;
    auto careless = spawn([&] { m.lock(); });
    careless.join();
    careless = {};
    const std::string text = error_of<ramie::deadlock_error>([&] { m.lock(); });
    EXPECT_NE(text.find("held by a fiber that has ended"), text.npos) << text;
}

TEST_F(mutex, that_is_destroyed_tells_those_who_wait) {
    auto m = std::make_unique<ramie::mutex>();
    m->lock();
    auto waiting = spawn([&] {
        const std::string text = error_of<std::logic_error>([&] { m->lock(); });
        EXPECT_NE(text.find("a mutex was destroyed"), text.npos) << text;
    });
    this_fiber::yield();
    m.reset();
    waiting.join();
}

TEST_F(recursive_mutex, may_be_taken_again_by_its_holder) {
    ramie::recursive_mutex m;
    m.lock();
    EXPECT_TRUE(m.try_lock());
    EXPECT_TRUE(m.lock(1s));
    auto other = spawn([&] {
        EXPECT_FALSE(m.try_lock());
        EXPECT_NE(error_of<std::logic_error>([&] { m.unlock(); }), "");
        EXPECT_FALSE(m.try_lock_for(1s));
        EXPECT_TRUE(m.lock());
        m.unlock();
    });
    this_fiber::sleep_for(2s);
    m.unlock();
    m.unlock();
    EXPECT_FALSE(other.ready());
    m.unlock();
    other.join();
    EXPECT_FALSE(m.is_locked());
    EXPECT_NE(error_of<std::logic_error>([&] { m.unlock(); }), "");
}

// Found: owners that are told apart by their address alone.
TEST_F(mutex, is_not_inherited_with_the_stack_of_a_fiber_that_ended) {
    ramie::mutex m;
    ramie::recursive_mutex r;
    const void* first = nullptr;
    const void* second = nullptr;
    ramie::spawn([&] {
        first = this_fiber::self().core();
        EXPECT_TRUE(m.lock() && r.lock());
    }).join();
    ramie::spawn([&] {
        second = this_fiber::self().core();
        EXPECT_FALSE(m.is_mine());
        EXPECT_FALSE(m.lock(1ms));
        EXPECT_FALSE(r.try_lock());
        EXPECT_NE(ramie::test::error_of<std::logic_error>([&] {
                      m.unlock();
                  }).find("held by a fiber that has ended"),
                  std::string::npos);
    }).join();
    EXPECT_EQ(first, second) << "they had the same stack";
}

}  // namespace
