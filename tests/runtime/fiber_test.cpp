#include "ramie/fiber.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using fiber = ramie::test::virtual_time_test;
using spawn_later = ramie::test::virtual_time_test;
using sleeping = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::at_exit;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

TEST_F(fiber, never_runs_inside_spawn) {
    bool ran = false;
    auto f = spawn([&] { ran = true; });
    EXPECT_FALSE(ran);
    EXPECT_FALSE(f.ready());
    f.join();
    EXPECT_TRUE(ran);
    EXPECT_TRUE(f.ready());
    EXPECT_TRUE(f.successful());
}

TEST_F(fiber, runs_in_order_of_spawning) {
    std::vector<int> order;
    for (int i = 0; i != 100; ++i) spawn([&order, i] { order.push_back(i); });
    this_fiber::yield();
    ASSERT_EQ(order.size(), 100U);
    for (int i = 0; i != 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_F(fiber, gives_its_result_on_every_call) {
    auto f = spawn([] { return std::string("result"); });
    EXPECT_EQ(f.get(), "result");
    EXPECT_EQ(f.get(), "result");
    const auto copy = f;
    EXPECT_EQ(copy.get(), "result");
}

TEST_F(fiber, lets_a_result_be_moved_out) {
    auto f = spawn([] { return std::make_unique<int>(7); });
    const std::unique_ptr<int> result = std::move(f.get());
    EXPECT_EQ(*result, 7);
    EXPECT_EQ(f.get(), nullptr);
}

TEST_F(fiber, rethrows_the_same_exception_on_every_get) {
    auto f = spawn([]() -> int { throw std::runtime_error("once"); });
    const std::runtime_error* first = nullptr;
    for (int i = 0; i != 2; ++i) {
        try {
            f.get();
            ADD_FAILURE() << "get returned";
        } catch (const std::runtime_error& e) {
            EXPECT_TRUE(first == nullptr || first == &e);
            first = &e;
        }
    }
    EXPECT_TRUE(f.ready());
    EXPECT_FALSE(f.successful());
    EXPECT_NE(f.exception(), nullptr);
}

TEST_F(fiber, never_throws_out_of_join) {
    auto f = spawn([] { throw std::runtime_error("boom"); });
    EXPECT_TRUE(f.join());
    EXPECT_NE(f.exception(), nullptr);
}

TEST_F(fiber, is_not_joined_by_the_deadline_while_it_runs) {
    auto f = spawn([] { this_fiber::sleep_for(1h); });
    EXPECT_FALSE(f.join(59min));
    EXPECT_EQ(clock_.elapsed(), 59min);
    EXPECT_FALSE(f.ready());
    EXPECT_TRUE(f.join(2min));
    EXPECT_EQ(clock_.elapsed(), 1h);
}

TEST_F(fiber, makes_get_throw_at_the_deadline) {
    auto f = spawn({.name = "slow"}, [] {
        this_fiber::sleep_for(1h);
        return 1;
    });
    EXPECT_NE(error_of<ramie::timeout_expired>([&] { f.get(1s); }).find("slow"), std::string::npos);
    EXPECT_EQ(f.get(), 1);
}

TEST_F(fiber, wakes_its_joiners_in_order_of_arrival) {
    std::vector<int> order;
    auto f = spawn([] { this_fiber::sleep_for(1s); });
    for (int i = 0; i != 3; ++i)
        spawn([&order, f, i] {
            f.join();
            order.push_back(i);
        });
    f.join();
    this_fiber::yield();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST_F(fiber, forgets_a_joiner_that_gave_up) {
    auto f = spawn([] { this_fiber::sleep_for(1h); });
    auto impatient = spawn([f] { EXPECT_FALSE(f.join(1s)); });
    auto killed = spawn([f] { f.join(); });
    impatient.join();
    killed.kill();
    EXPECT_TRUE(f.join());
}

TEST_F(fiber, decays_and_keeps_its_arguments) {
    std::string text = "before";
    int counter = 0;
    auto f = spawn(
        [](const std::string& copy, int& reference, std::unique_ptr<int> moved) {
            reference = *moved;
            return copy;
        },
        text, std::ref(counter), std::make_unique<int>(3));
    text = "after";
    EXPECT_EQ(f.get(), "before");
    EXPECT_EQ(counter, 3);
}

TEST_F(fiber, calls_anything_that_can_be_invoked) {
    struct account {
        int add(int n) { return balance += n; }
        int balance = 1;
    } a;
    EXPECT_EQ(spawn(&account::add, &a, 2).get(), 3);
    EXPECT_EQ(spawn(std::function<int()>([] { return 4; })).get(), 4);
    EXPECT_EQ(spawn([p = std::make_unique<int>(5)]() mutable { return *p; }).get(), 5);
}

int five() { return 5; }
void append(std::string& to, const char* text) { to += text; }

TEST_F(fiber, calls_a_plain_function) {
    EXPECT_EQ(spawn(five).get(), 5);
    EXPECT_EQ(spawn(&five).get(), 5);
    EXPECT_EQ(spawn({.name = "named"}, five).get(), 5);
    EXPECT_EQ(ramie::spawn_later(1s, five).get(), 5);
    std::string text = "a";
    spawn(append, std::ref(text), "b").join();
    spawn({.name = "named"}, append, std::ref(text), "c").join();
    ramie::spawn_later(1s, append, std::ref(text), "d").join();
    EXPECT_EQ(text, "abcd");
}

TEST_F(fiber, refuses_an_empty_callable_where_it_is_spawned) {
    EXPECT_THROW(spawn(std::function<void()>()), std::invalid_argument);
    EXPECT_THROW(spawn(static_cast<void (*)()>(nullptr)), std::invalid_argument);
}

TEST_F(fiber, leaves_nothing_behind_when_its_callable_cannot_be_copied) {
    struct fragile {
        fragile() = default;
        fragile(const fragile&) { throw std::runtime_error("copy"); }
        void operator()() const {}
    } callable;
    EXPECT_EQ(error_of([&] { spawn(callable); }), "copy");
    EXPECT_EQ(ramie::stats().stacks_in_use, 0U);
}

TEST_F(fiber, lives_on_when_its_handle_is_dropped) {
    bool ended = false;
    spawn([&] {
        this_fiber::sleep_for(1s);
        ended = true;
    });
    this_fiber::sleep_for(2s);
    EXPECT_TRUE(ended);
}

TEST_F(fiber, destroys_its_callable_before_it_is_joined) {
    auto token = std::make_shared<int>();
    auto f = spawn([token] {});
    f.join();
    EXPECT_EQ(token.use_count(), 1);
}

TEST_F(fiber, destroys_its_result_with_the_last_handle) {
    auto token = std::make_shared<int>();
    auto f = spawn([token] { return token; });
    f.join();
    EXPECT_EQ(token.use_count(), 2);
    f = {};
    EXPECT_EQ(token.use_count(), 1);
    spawn([token] { return token; });
    this_fiber::yield();
    EXPECT_EQ(token.use_count(), 1);
}

TEST_F(fiber, may_suspend_while_its_callable_and_its_result_are_destroyed) {
    int destroyed = 0;
    struct slow {
        explicit slow(int* counter) : counter_(counter) {}
        slow(slow&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}
        ~slow() {
            if (counter_ == nullptr) return;
            this_fiber::sleep_for(1s);
            ++*counter_;
        }
        slow operator()() { return slow(counter_); }
        int* counter_;
    };
    spawn(slow(&destroyed));
    this_fiber::sleep_for(1500ms);
    EXPECT_EQ(destroyed, 1);
    this_fiber::sleep_for(1s);
    EXPECT_EQ(destroyed, 2);
}

TEST_F(fiber, has_a_handle_that_can_be_copied_compared_and_empty) {
    const ramie::fiber<int> none;
    EXPECT_FALSE(none);
    EXPECT_TRUE(none.ready());
    EXPECT_TRUE(none.join());
    EXPECT_TRUE(none.kill());
    EXPECT_FALSE(none.successful());
    EXPECT_EQ(none.exception(), nullptr);
    EXPECT_EQ(none.id(), 0U);
    EXPECT_EQ(none.name(), "");
    EXPECT_THROW(none.get(), std::logic_error);
    EXPECT_THROW(none.link([](const ramie::fiber_base&) {}), std::logic_error);

    auto a = spawn([] { return 1; });
    auto b = spawn([] { return 2; });
    EXPECT_TRUE(a);
    EXPECT_EQ(ramie::fiber_base(a), a);
    EXPECT_NE(ramie::fiber_base(a), ramie::fiber_base(b));
    b = a;
    EXPECT_EQ(b.get(), 1);
}

TEST_F(fiber, has_a_name) {
    auto named = spawn({.name = "reader"}, [] { EXPECT_EQ(this_fiber::name(), "reader"); });
    auto unnamed = spawn([] {});
    EXPECT_EQ(named.name(), "reader");
    EXPECT_EQ(unnamed.name(), "fiber-" + std::to_string(unnamed.id()));
    unnamed.set_name("renamed");
    EXPECT_EQ(unnamed.name(), "renamed");
    EXPECT_EQ(this_fiber::name(), "main");
    named.join();
    EXPECT_EQ(named.name(), "reader");
}

TEST_F(fiber, has_an_id_of_its_own) {
    std::set<std::uint64_t> ids{this_fiber::id()};
    for (int i = 0; i != 100; ++i) {
        auto f = spawn([] { return this_fiber::id(); });
        EXPECT_EQ(f.get(), f.id());
        EXPECT_LE(f.id(), 100U);
        ids.insert(f.id());
    }
    EXPECT_EQ(ids.size(), 101U);
}

TEST_F(fiber, knows_itself) {
    auto f = spawn([] { return this_fiber::self(); });
    EXPECT_EQ(ramie::fiber_base(f), f.get());
    f.get() = {};
    EXPECT_EQ(this_fiber::self(), this_fiber::self());
    EXPECT_NE(this_fiber::self(), ramie::fiber_base(f));
}

TEST_F(fiber, runs_on_a_small_stack_with_a_callable_of_any_alignment) {
    struct alignas(256) aligned {
        auto operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 256; }
    };
    EXPECT_EQ(spawn({.stack_size = 16 * 1024}, aligned()).get(), 0U);
}

TEST_F(fiber, cannot_wait_for_itself) {
    auto f = spawn([] { this_fiber::self().join(); });
    f.join();
    EXPECT_NE(f.exception(), nullptr);
}

TEST_F(fiber, belongs_to_its_thread) {
    auto f = spawn({.name = "mine"}, [] {});
    std::thread([&f] {
        const auto refused = [](auto call) { return error_of<std::logic_error>(call); };
        EXPECT_NE(refused([&] { f.join(); }).find("mine"), std::string::npos);
        EXPECT_NE(refused([&] { f.kill(); }).find("mine"), std::string::npos);
        EXPECT_NE(refused([&] { f.try_kill(); }).find("mine"), std::string::npos);
        EXPECT_NE(refused([&] { f.link([](const auto&) {}); }).find("mine"), std::string::npos);
    }).join();
    f.join();
}

TEST_F(spawn_later, starts_in_time_and_in_order) {
    std::vector<std::chrono::nanoseconds> started;
    const auto note = [&] { started.push_back(clock_.elapsed()); };
    auto last = ramie::spawn_later(2h, note);
    ramie::spawn_later(1s, note);
    ramie::spawn_later(0s, note);
    EXPECT_TRUE(started.empty());
    last.join();
    EXPECT_EQ(started, (std::vector<std::chrono::nanoseconds>{0s, 1s, 2h}));
}

TEST_F(spawn_later, can_be_told_a_time_point) {
    const auto soon = std::chrono::steady_clock::time_point(
        std::chrono::nanoseconds(ramie::deadline(3s).nanoseconds()));
    EXPECT_EQ(ramie::spawn_later(
                  soon, [](int n) { return n; }, 5)
                  .get(),
              5);
    EXPECT_EQ(clock_.elapsed(), 3s);
}

TEST_F(spawn_later, can_be_joined_before_it_has_started) {
    auto f = ramie::spawn_later(1h, [] {});
    EXPECT_FALSE(f.join(1s));
    EXPECT_TRUE(f.join());
    EXPECT_EQ(clock_.elapsed(), 1h);
}

TEST_F(sleeping, lasts_as_long_as_asked) {
    this_fiber::sleep_for(90min);
    EXPECT_EQ(clock_.elapsed(), 90min);
}

TEST_F(sleeping, is_a_yield_when_the_time_has_passed) {
    std::vector<int> order;
    spawn([&] { order.push_back(1); });
    this_fiber::sleep_for(0s);
    order.push_back(2);
    spawn([&] { order.push_back(3); });
    this_fiber::sleep_for(-1s);
    order.push_back(4);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
    EXPECT_EQ(clock_.elapsed(), 0s);
}

TEST_F(sleeping, ends_in_order_of_time_then_of_arrival) {
    std::vector<int> order;
    std::vector<ramie::fiber<>> sleepers;
    for (const int s : {3, 1, 2, 1})
        sleepers.push_back(spawn([&order, s, n = sleepers.size()] {
            this_fiber::sleep_for(std::chrono::seconds(s));
            order.push_back(10 * s + static_cast<int>(n));
        }));
    ramie::join_all(sleepers);
    EXPECT_EQ(order, (std::vector<int>{11, 13, 22, 30}));
}

TEST(sleeping_in_real_time, is_never_too_short) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i != 20; ++i) this_fiber::sleep_for(1ms);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
    ramie::test::end_scheduler();
}

}  // namespace
