#include "ramie/async_result.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using async_result = ramie::test::virtual_time_test;
using async_result_between_threads = ramie::test::fiber_test;
using ramie::spawn;
using ramie::test::boom;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

TEST_F(async_result, carries_a_value) {
    ramie::async_result<std::string> r;
    EXPECT_FALSE(r.ready());
    EXPECT_FALSE(r.successful());
    auto f = spawn([r] { return r.get(); });
    this_fiber::yield();
    EXPECT_FALSE(f.ready());
    r.set("value");
    EXPECT_TRUE(r.ready());
    EXPECT_TRUE(r.successful());
    EXPECT_EQ(r.exception(), nullptr);
    EXPECT_EQ(f.get(), "value");
    EXPECT_EQ(r.get(), "value");
}

TEST_F(async_result, carries_nothing_but_the_news) {
    ramie::async_result<> r;
    spawn([r]() mutable { r.set(); });
    r.get();
    EXPECT_TRUE(r.successful());
}

TEST_F(async_result, carries_an_exception) {
    ramie::async_result<int> r;
    r.set_exception(boom());
    EXPECT_TRUE(r.ready());
    EXPECT_FALSE(r.successful());
    EXPECT_NE(r.exception(), nullptr);
    EXPECT_TRUE(r.wait());
    EXPECT_EQ(error_of([&] { r.get(); }), "boom");
    EXPECT_EQ(error_of([&] { r.get(); }), "boom");
}

// The copy of a value is the user's code, its move, which here is a copy, and its end.
struct leisurely {
    leisurely() = default;
    leisurely(const leisurely&) { this_fiber::sleep_for(1s); }
    leisurely& operator=(const leisurely&) = delete;
    ~leisurely() { this_fiber::yield(); }
};

TEST_F(async_result, is_open_to_others_while_its_value_is_copied_or_destroyed) {
    ramie::async_result<leisurely> r;
    const auto setter = spawn([r]() mutable { r.set(leisurely()); });
    const auto getter = spawn([r] { r.get(); });
    const auto taker = spawn([r] { r.take(); });
    while (!getter.ready() || !taker.ready()) {
        this_fiber::sleep_for(100ms);
        EXPECT_EQ(r.exception(), nullptr);
    }
    setter.get();
    spawn([r]() mutable { r.set(); });
    for (int i = 0; i != 4; ++i) {
        this_fiber::yield();
        EXPECT_TRUE(r.ready());
    }
}

TEST_F(async_result, keeps_what_was_set_last) {
    ramie::async_result<int> r;
    r.set(1);
    r.set(2);
    EXPECT_EQ(r.get(), 2);
    r.set_exception(boom());
    EXPECT_EQ(error_of([&] { r.get(); }), "boom");
    r.set(3);
    EXPECT_EQ(r.get(), 3);
    EXPECT_TRUE(r.successful());
}

TEST_F(async_result, is_not_there_at_the_deadline) {
    const ramie::async_result<int> r;
    EXPECT_FALSE(r.wait(1s));
    EXPECT_THROW(r.get(1s), ramie::timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 2s);
}

TEST_F(async_result, wakes_all_who_wait_in_order) {
    ramie::async_result<int> r;
    std::vector<int> order;
    for (int i = 0; i != 100; ++i)
        spawn([&, i] {
            EXPECT_EQ(r.get(), 5);
            order.push_back(i);
        });
    this_fiber::yield();
    r.set(5);
    this_fiber::yield();
    ASSERT_EQ(order.size(), 100U);
    for (int i = 0; i != 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_F(async_result, forgets_a_waiter_that_was_killed) {
    ramie::async_result<int> r;
    auto killed = spawn([r] { r.get(); });
    auto patient = spawn([r] { return r.get(); });
    this_fiber::yield();
    killed.kill();
    r.set(5);
    EXPECT_EQ(patient.get(), 5);
}

TEST_F(async_result, outlives_its_copies_while_somebody_waits) {
    auto r = std::make_unique<ramie::async_result<int>>();
    auto setter = spawn([copy = *r]() mutable { copy.set(5); });
    auto f = spawn([&] { return r->get(); });
    spawn([&] { r.reset(); });
    EXPECT_EQ(f.get(), 5);
}

TEST_F(async_result, keeps_a_value_that_is_moved_in) {
    ramie::async_result<std::shared_ptr<int>> r;
    auto value = std::make_shared<int>(5);
    r.set(std::move(value));
    EXPECT_EQ(value, nullptr);
    EXPECT_EQ(*r.get(), 5);
}

TEST_F(async_result_between_threads, wakes_the_fiber_and_lets_the_others_go_on) {
    ramie::async_result<int> r;
    int turns = 0;
    std::atomic<bool> enough{false};
    auto other = spawn([&] {
        while (!r.ready()) {
            enough = ++turns > 1;
            this_fiber::sleep_for(100us);
        }
    });
    std::thread setter([r, &enough]() mutable {
        while (!enough) std::this_thread::yield();
        r.set(5);
    });
    EXPECT_EQ(r.get(), 5);
    setter.join();
    other.join();
    EXPECT_GT(turns, 1);
}

TEST_F(async_result_between_threads, carries_an_exception) {
    ramie::async_result<int> r;
    std::thread setter([r]() mutable { r.set_exception(boom()); });
    EXPECT_EQ(error_of([&] { r.get(); }), "boom");
    setter.join();
}

// The thread has set it and is gone before the fiber looks: no deadlock.
TEST_F(async_result_between_threads, is_never_taken_for_a_deadlock) {
    for (int i = 0; i != 500; ++i) {
        ramie::async_result<int> r;
        std::thread setter([r, i]() mutable { r.set(i); });
        EXPECT_EQ(r.get(), i);
        setter.join();
    }
}

TEST_F(async_result_between_threads, is_awaited_where_it_was_made) {
    ramie::async_result<int> r;
    std::string refusal;
    std::thread([&] { refusal = error_of<std::logic_error>([&] { r.get(); }); }).join();
    EXPECT_NE(refusal, "");
    std::thread([&] { r.set(5); }).join();
    EXPECT_EQ(r.get(), 5);
}

TEST_F(async_result_between_threads, may_be_set_when_the_scheduler_has_ended) {
    ramie::async_result<int> r;
    ramie::run([&] { r = {}; });
    r.set(5);
    std::thread([&] { r.set(6); }).join();
    EXPECT_TRUE(r.ready());
}

TEST_F(async_result_between_threads, goes_back_and_forth_between_two_schedulers) {
    constexpr int rounds = 200;
    std::vector<ramie::async_result<int>> requests(rounds);
    ramie::async_result<std::vector<ramie::async_result<int>>> replies;
    std::thread other([&] {
        ramie::run([&] {
            const std::vector<ramie::async_result<int>> mine(rounds);
            replies.set(mine);
            for (std::size_t i = 0; i != rounds; ++i) requests[i].set(mine[i].get() + 1);
        });
    });
    auto theirs = replies.get();
    for (std::size_t i = 0; i != rounds; ++i) {
        theirs[i].set(static_cast<int>(i));
        ASSERT_EQ(requests[i].get(), static_cast<int>(i) + 1);
    }
    other.join();
}

}  // namespace
