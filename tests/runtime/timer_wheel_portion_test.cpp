// A timer wheel that is told to do only so much at a time.

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "scheduler.hpp"
#include "support/fiber_test.hpp"
#include "timer_wheel.hpp"

namespace {

using ramie::detail::timer_node;
using ramie::detail::timer_wheel;

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t year = 365 * 86'400 * second;

// A wheel beside the obvious structure: a multimap keeps equal keys in order of insertion.
class pair {
  public:
    explicit pair(std::size_t count) {
        for (std::size_t i = 0; i != count; ++i) timers_.emplace_back(*this);
    }
    ~pair() {
        for (timer& t : timers_) wheel_.cancel(t);
    }

    void set(std::size_t i, std::int64_t when) {
        cancel(i);
        wheel_.set(timers_[i], when);
        timers_[i].place = pending_.emplace(when, &timers_[i]);
    }
    void cancel(std::size_t i) {
        if (timers_[i].armed()) pending_.erase(timers_[i].place);
        wheel_.cancel(timers_[i]);
    }

    // True when all that is due by now has expired.
    bool advance(std::int64_t now, std::size_t portion) {
        now_ = now;
        EXPECT_LE(wheel_.advance(now, portion), portion);
        EXPECT_EQ(wheel_.size(), pending_.size());
        const bool done = wheel_.next() > now;
        EXPECT_TRUE(!done || pending_.empty() || pending_.begin()->first > now) << "forgotten";
        return done;
    }

    [[nodiscard]] const std::multimap<std::int64_t, timer_node*>& pending() const {
        return pending_;
    }

  private:
    struct timer : timer_node {
        explicit timer(pair& p)
            : timer_node(+[](timer_node& n) noexcept {
                  auto& self = static_cast<timer&>(n);
                  self.owner.expire(self);
              }),
              owner(p) {}
        pair& owner;
        std::multimap<std::int64_t, timer_node*>::iterator place;
    };

    void expire(timer& t) {
        EXPECT_LE(t.when(), now_) << "early";
        EXPECT_EQ(pending_.begin()->second, &t) << "not the first";
        pending_.erase(t.place);
    }

    std::int64_t now_ = 0;
    timer_wheel wheel_{0};
    std::deque<timer> timers_;
    std::multimap<std::int64_t, timer_node*> pending_;
};

TEST(timer_wheel_in_portions, expires_all_in_order) {
    constexpr std::size_t count = 5'000;
    for (const std::size_t portion : {1, 7, 100, 4'999, 5'000}) {
        pair p(count);
        std::mt19937_64 random(portion);
        for (std::size_t i = 0; i != count; ++i)
            p.set(i, static_cast<std::int64_t>(random() % (std::uint64_t{1} << random() % 50)));
        std::size_t calls = 0;
        while (!p.advance(year, portion)) ASSERT_LE(++calls, 9 * (count / portion + 1));
        EXPECT_TRUE(p.pending().empty());
    }
}

// That slot is the most that one step ever has to move.
TEST(timer_wheel_in_portions, moves_no_more_than_a_portion_to_lower_levels) {
    constexpr std::size_t count = 1'000;
    pair p(count);
    const std::int64_t slot = std::int64_t{1} << (16 + 4 * 6);
    for (std::size_t i = 0; i != count; ++i)
        p.set(i, slot + slot / 2 + static_cast<std::int64_t>(i));
    int calls = 1;
    while (!p.advance(slot, 100)) ++calls;
    EXPECT_GE(calls, 10);
    EXPECT_LE(calls, 12);
}

TEST(timer_wheel_in_portions, keeps_the_order_of_what_is_set_between_them) {
    constexpr std::size_t count = 2'000;
    std::mt19937_64 random(3);
    pair p(count);
    std::int64_t now = 0;
    int unfinished = 0;
    for (int round = 0; round != 20'000; ++round) {
        for (int i = 0; i != 3; ++i) {
            const std::uint64_t range = std::uint64_t{1} << random() % 40;
            std::int64_t when = now + 1 + static_cast<std::int64_t>(random() % range);
            // Often with the deadline of another.
            if (const auto next = p.pending().upper_bound(when);
                random() % 2 == 0 && next != p.pending().end())
                when = next->first;
            p.set(random() % count, when);
        }
        p.cancel(random() % count);
        if (random() % 4 == 0) now += static_cast<std::int64_t>(random() % 1'000'000'000);
        unfinished += p.advance(now, 1 + random() % 8) ? 0 : 1;
        if (testing::Test::HasFailure()) FAIL() << "round " << round;
    }
    EXPECT_GT(unfinished, 1'000);
}

using crowd_of_timers = ramie::test::virtual_time_test;

struct counted_timer : timer_node {
    explicit counted_timer(std::size_t& count)
        : timer_node(+[](timer_node& n) noexcept { ++static_cast<counted_timer&>(n).counter; }),
          counter(count) {}
    std::size_t& counter;
};

TEST_F(crowd_of_timers, does_not_starve_the_fibers) {
    constexpr std::size_t count = 100'000;
    std::size_t expired = 0;
    std::deque<counted_timer> timers;
    for (std::size_t i = 0; i != count; ++i)
        ramie::detail::scheduler::get().timers().set(timers.emplace_back(expired),
                                                     ramie::detail::now_ns() + second);
    clock_.advance(std::chrono::hours(1));
    std::size_t most_at_once = 0;
    while (expired != count) {
        const std::size_t before = expired;
        ramie::this_fiber::yield();
        most_at_once = std::max(most_at_once, expired - before);
    }
    EXPECT_LE(most_at_once, 5'000U);
}

}  // namespace
