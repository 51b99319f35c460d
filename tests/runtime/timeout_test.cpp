#include "ramie/timeout.hpp"

#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "ramie/wait_fd.hpp"
#include "scheduler.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using timeout = ramie::test::virtual_time_test;
using with_timeout = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::timeout_expired;
using ramie::test::at_exit;
using ramie::test::boom;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

TEST_F(timeout, breaks_a_wait) {
    const ramie::timeout limit(2s);
    EXPECT_TRUE(limit.pending());
    try {
        this_fiber::sleep_for(1h);
        ADD_FAILURE() << "it slept";
    } catch (const timeout_expired& e) {
        EXPECT_TRUE(limit.owns(e));
        EXPECT_EQ(e.code(), std::errc::timed_out);
    }
    EXPECT_EQ(clock_.elapsed(), 2s);
    EXPECT_TRUE(limit.expired());
    EXPECT_FALSE(limit.pending());
}

TEST_F(timeout, is_a_system_error) {
    const ramie::timeout limit(2s);
    EXPECT_THROW(this_fiber::sleep_for(1h), std::system_error);
}

TEST_F(timeout, is_over_when_its_scope_is_left) {
    {
        const ramie::timeout limit(2s);
        this_fiber::sleep_for(1s);
        EXPECT_FALSE(limit.expired());
    }
    EXPECT_EQ(ramie::stats().timers, 0U);
    this_fiber::sleep_for(1h);
}

TEST_F(timeout, can_be_cancelled_and_started_again) {
    ramie::timeout limit(2s);
    limit.cancel();
    EXPECT_FALSE(limit.pending());
    this_fiber::sleep_for(3s);
    limit.restart(2s);
    EXPECT_TRUE(limit.pending());
    this_fiber::sleep_for(1s);
    limit.restart(2s);
    this_fiber::sleep_for(1500ms);
    EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 6s);
    limit.restart(1s);
    EXPECT_FALSE(limit.expired());
    EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 7s);
}

TEST_F(timeout, never_interrupts_a_fiber_that_does_not_wait) {
    const ramie::timeout limit(1s);
    clock_.advance(1h);
    EXPECT_FALSE(limit.expired());
    const auto loop = [] {
        for (;;) this_fiber::yield();
    };
    EXPECT_THROW(loop(), timeout_expired);
}

// Of most nobody ever needs the timer.
TEST_F(timeout, sets_its_timer_when_its_fiber_suspends) {
    const auto& wheel = ramie::detail::scheduler::get().timers();
    const auto before = wheel.size();
    ramie::timeout outer(2s);
    {
        const ramie::timeout left(1s);
        ramie::timeout cancelled(1s);
        ramie::timeout again(1s);
        cancelled.cancel();
        EXPECT_FALSE(cancelled.pending());
        again.restart(3s);
        EXPECT_TRUE(again.pending() && left.pending());
        EXPECT_EQ(ramie::stats().timers - before, 3U);
        EXPECT_EQ(wheel.size(), before);
    }
    EXPECT_EQ(ramie::stats().timers - before, 1U);
    this_fiber::yield();
    EXPECT_EQ(wheel.size() - before, 1U);
    EXPECT_TRUE(outer.pending());
    outer.restart(1s);
    EXPECT_EQ(wheel.size(), before);
    EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

// It counts from its beginning, not from the first wait.
TEST_F(timeout, that_has_passed_when_its_fiber_suspends_breaks_that_wait) {
    const ramie::timeout limit(2s);
    clock_.advance(1500ms);
    EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 2s);
    const ramie::timeout missed(1s);
    clock_.advance(1h);
    EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 1h + 2s);
}

TEST_F(timeout, surfaces_before_what_comes_due_at_the_same_time) {
    const ramie::timeout limit(1s);
    bool is_late = false;
    const auto later = ramie::spawn_later(1s, [&] { is_late = true; });
    EXPECT_THROW(this_fiber::sleep_for(1s), timeout_expired);
    EXPECT_FALSE(is_late);
    later.join();
}

TEST_F(timeout, can_be_started_again_and_cancelled_by_another_fiber) {
    std::optional<ramie::timeout> limit;
    auto limited = spawn([&] {
        limit.emplace(ramie::deadline::never());
        const at_exit gone([&] { limit.reset(); });
        this_fiber::sleep_for(1h);
    });
    this_fiber::yield();
    limit->restart(1s);
    EXPECT_TRUE(limit->pending());
    this_fiber::sleep_for(500ms);
    limit->cancel();
    EXPECT_FALSE(limit->pending());
    limit->restart(1s);
    EXPECT_THROW(limited.get(), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 1500ms);
}

TEST_F(timeout, that_was_not_thrown_yet_is_forgotten_when_it_is_cancelled) {
    auto f = spawn([] {
        ramie::timeout limit(1s);
        {
            // While the fiber is held off, the limit passes.
            struct hold {
                ~hold() { this_fiber::sleep_for(2s); }
            };
            try {
                const hold off;
                throw 1;
            } catch (int) {
            }
        }
        EXPECT_TRUE(limit.expired());
        limit.cancel();
        this_fiber::sleep_for(1s);
    });
    f.get();
}

TEST_F(timeout, is_thrown_once) {
    const ramie::timeout limit(1s);
    EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    this_fiber::sleep_for(1h);
}

TEST_F(timeout, of_never_never_expires) {
    const ramie::timeout limit{ramie::deadline::never()};
    EXPECT_FALSE(limit.pending());
    this_fiber::sleep_for(24h * 365);
    EXPECT_FALSE(limit.expired());
}

TEST_F(timeout, of_zero_expires_at_the_first_wait_that_waits) {
    const ramie::timeout limit(0s);
    EXPECT_THROW(this_fiber::sleep_for(1ns), timeout_expired);
}

TEST_F(timeout, throws_the_error_it_was_given) {
    const ramie::timeout limit(1s, boom());
    EXPECT_EQ(error_of<std::runtime_error>([] { this_fiber::sleep_for(1h); }), "boom");
}

// gevent case 15.
TEST_F(timeout, of_the_outer_scope_surfaces_when_that_one_expires) {
    const ramie::timeout outer(1s);
    const ramie::timeout inner(10s);
    try {
        this_fiber::sleep_for(1h);
        ADD_FAILURE() << "it slept";
    } catch (const timeout_expired& e) {
        EXPECT_TRUE(outer.owns(e));
        EXPECT_FALSE(inner.owns(e));
    }
    EXPECT_TRUE(inner.pending());
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(timeout, of_the_inner_scope_leaves_the_outer_one_running) {
    const ramie::timeout outer(3s);
    {
        const ramie::timeout inner(1s);
        try {
            this_fiber::sleep_for(1h);
        } catch (const timeout_expired& e) {
            EXPECT_TRUE(inner.owns(e));
        }
    }
    EXPECT_TRUE(outer.pending());
    EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 3s);
}

TEST_F(timeout, of_two_at_the_same_time_is_thrown_one_by_one) {
    const ramie::timeout outer(1s);
    {
        const ramie::timeout inner(1s);
        EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
        EXPECT_THROW(this_fiber::sleep_for(1h), timeout_expired);
    }
    EXPECT_TRUE(outer.expired());
    this_fiber::sleep_for(1h);
}

// gevent case 16.
TEST_F(timeout, ends_a_yield_loop) {
    const auto loop = [] {
        for (;;) this_fiber::yield();
    };
    ramie::testing::virtual_clock* const clock = &clock_;
    auto ticker = spawn([clock] {
        for (;;) {
            clock->advance(1ms);
            this_fiber::yield();
        }
    });
    EXPECT_THROW(ramie::with_timeout(10ms, loop), timeout_expired);
    ticker.kill();
}

TEST_F(timeout, is_held_off_in_a_destructor_during_unwinding) {
    bool cleaned = false;
    EXPECT_EQ(error_of<std::runtime_error>([&] {
                  const ramie::timeout limit(1s);
                  const at_exit slow([&] {
                      this_fiber::sleep_for(1h);
                      cleaned = true;
                  });
                  throw std::runtime_error("boom");
              }),
              "boom");
    EXPECT_TRUE(cleaned);
}

TEST_F(timeout, interrupts_only_its_own_fiber) {
    auto limited = spawn([] {
        const ramie::timeout limit(1s);
        this_fiber::sleep_for(1h);
    });
    auto free = spawn([] { this_fiber::sleep_for(2s); });
    EXPECT_THROW(limited.get(), timeout_expired);
    free.get();
    EXPECT_EQ(clock_.elapsed(), 2s);
}

TEST_F(timeout, cannot_be_used_on_the_loop) {
    std::string refusal;
    ramie::this_scheduler().post(
        [&] { refusal = error_of<std::logic_error>([] { const ramie::timeout limit(1s); }); });
    this_fiber::sleep_for(1s);
    EXPECT_NE(refusal.find("loop"), std::string::npos);
}

// gevent's test_outer_timeout_is_not_lost, for every call that can wait.
TEST_F(timeout, around_a_call_is_never_mistaken_for_the_call_s_own_deadline) {
    ramie::event never;
    ramie::async_result<int> nothing;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    auto sleeper = spawn([] {
        const at_exit slow([] { this_fiber::sleep_for(1h); });
        this_fiber::sleep_for(1h);
        throw std::runtime_error("boom");
    });
    this_fiber::yield();
    const std::vector all{sleeper};

    const std::function<void(ramie::deadline)> calls[] = {
        [&](ramie::deadline d) { sleeper.join(d); },
        [&](ramie::deadline d) { sleeper.get(d); },
        [&](ramie::deadline d) { sleeper.kill(d); },
        [&](ramie::deadline d) { ramie::join_all(all, d); },
        [&](ramie::deadline d) { ramie::join_all(all, ramie::on_error::rethrow, d); },
        [&](ramie::deadline d) { ramie::kill_all(all, d); },
        [&](ramie::deadline d) { ramie::wait_any(all, d); },
        [&](ramie::deadline d) { never.wait(d); },
        [&](ramie::deadline d) { nothing.wait(d); },
        [&](ramie::deadline d) { nothing.get(d); },
        [&](ramie::deadline d) { ramie::wait_readable(ends[0], d); },
        [&](ramie::deadline d) { this_fiber::sleep_until(d); },
    };
    for (const auto& call : calls) {
        SCOPED_TRACE(testing::Message() << "call " << &call - calls);
        const auto start = clock_.elapsed();
        const ramie::timeout limit(1s);
        try {
            call(10s);
            ADD_FAILURE() << "it returned";
        } catch (const timeout_expired& e) {
            EXPECT_TRUE(limit.owns(e));
        }
        EXPECT_EQ(clock_.elapsed() - start, 1s);
    }
    sleeper.kill();
    for (const int end : ends) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

TEST_F(with_timeout, returns_what_the_function_returns) {
    EXPECT_EQ(ramie::with_timeout(1s, [] { return 5; }), 5);
    ramie::with_timeout(1s, [] { this_fiber::sleep_for(500ms); });
    int n = 0;
    EXPECT_EQ(&ramie::with_timeout(1s, [&]() -> int& { return n; }), &n);
}

TEST_F(with_timeout, throws_when_it_takes_too_long) {
    EXPECT_THROW(ramie::with_timeout(1s, [] { this_fiber::sleep_for(1h); }), timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(with_timeout, returns_the_fallback_when_its_own_limit_expired) {
    const auto slow = [] {
        this_fiber::sleep_for(1h);
        return 5;
    };
    EXPECT_EQ(ramie::with_timeout(1s, slow, -1), -1);
    EXPECT_EQ(ramie::with_timeout(2h, slow, -1), 5);
    const ramie::timeout outer(1s);
    EXPECT_THROW(ramie::with_timeout(10s, slow, -1), timeout_expired);
    EXPECT_THROW(ramie::with_timeout(
                     10s, [&]() -> int { throw timeout_expired("mine"); }, -1),
                 timeout_expired);
}

}  // namespace
