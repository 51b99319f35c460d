#include "timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

namespace {

using ramie::detail::timer_node;
using ramie::detail::timer_wheel;

constexpr auto first_moment = std::numeric_limits<std::int64_t>::min();
constexpr auto last_moment = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t tick = std::int64_t{1} << 16;
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t year = 365 * 86'400 * second;
constexpr int levels = 8;

std::int64_t add(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b < 0 ? first_moment : last_moment;
}

using journal = std::vector<int>;

// Writes its number down when it expires, then does what the test asks for.
struct probe : timer_node {
    probe(journal& expired, int number)
        : timer_node(&probe::on_expire), expired_(expired), number_(number) {}

    static void on_expire(timer_node& node) noexcept {
        auto& self = static_cast<probe&>(node);
        self.expired_.push_back(self.number_);
        if (self.then_) self.then_();
    }

    journal& expired_;
    int number_;
    std::function<void()> then_;
};

// Numbered timers on one wheel.
struct fixture {
    explicit fixture(std::int64_t now, int count = 0) : wheel_(now) {
        for (int i = 0; i < count; ++i) probes_.emplace_back(expired_, i);
    }
    ~fixture() {
        for (probe& p : probes_) wheel_.cancel(p);
    }

    probe& operator[](int number) { return probes_[static_cast<std::size_t>(number)]; }

    // What this advance() expired.
    journal advance(std::int64_t now) {
        expired_.clear();
        const std::size_t count = wheel_.advance(now);
        EXPECT_EQ(count, expired_.size());
        return expired_;
    }

    timer_wheel wheel_;
    journal expired_;
    std::deque<probe> probes_;
};

journal numbers(int count) {
    journal all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
}

TEST(timer_wheel, knows_which_timers_are_armed) {
    fixture f(0, 2);
    EXPECT_TRUE(f.wheel_.empty());
    EXPECT_EQ(f.wheel_.next(), last_moment);
    EXPECT_FALSE(f[0].armed());

    f.wheel_.set(f[0], 5);
    f.wheel_.set(f[0], year);
    f.wheel_.set(f[1], 6);
    EXPECT_TRUE(f[0].armed());
    EXPECT_EQ(f[0].when(), year);
    EXPECT_EQ(f.wheel_.size(), 2U);

    EXPECT_EQ(f.advance(second), journal{1});
    EXPECT_FALSE(f[1].armed());
    EXPECT_EQ(f.wheel_.size(), 1U);

    f.wheel_.cancel(f[0]);
    EXPECT_FALSE(f[0].armed());
    EXPECT_TRUE(f.wheel_.empty());
    EXPECT_EQ(f.wheel_.next(), last_moment);
}

TEST(timer_wheel, cancels_an_unarmed_timer_without_harm) {
    fixture f(0, 1);
    f.wheel_.cancel(f[0]);
    f.wheel_.set(f[0], 1);
    f.wheel_.cancel(f[0]);
    f.wheel_.cancel(f[0]);
    EXPECT_TRUE(f.wheel_.empty());
}

TEST(timer_wheel, expires_at_the_exact_nanosecond) {
    for (const std::int64_t start : {std::int64_t{0}, std::int64_t{-7}, 3 * year + 12'345}) {
        for (std::int64_t delay = 1; delay < 100 * year; delay = delay * 3 + 1) {
            fixture f(start, 1);
            f.wheel_.set(f[0], start + delay);
            EXPECT_EQ(f.advance(start + delay - 1), journal{}) << start << " + " << delay;
            EXPECT_EQ(f.wheel_.next(), start + delay);
            EXPECT_EQ(f.advance(start + delay), journal{0}) << start << " + " << delay;
        }
    }
}

TEST(timer_wheel, takes_every_deadline_there_is) {
    for (const std::int64_t start : {first_moment, std::int64_t{-1}, std::int64_t{0}, year}) {
        fixture f(start, 6);
        f.wheel_.set(f[5], last_moment);
        f.wheel_.set(f[4], last_moment - 1);
        f.wheel_.set(f[3], 1);
        f.wheel_.set(f[2], 0);
        f.wheel_.set(f[1], -1);
        f.wheel_.set(f[0], first_moment);
        EXPECT_EQ(f.wheel_.next(), first_moment);
        EXPECT_EQ(f.advance(start).front(), 0);
        EXPECT_LE(f.wheel_.next(), last_moment - 1);
        f.advance(last_moment - 2);
        EXPECT_EQ(f.wheel_.size(), 2U);
        EXPECT_EQ(f.advance(last_moment - 1), journal{4});
        EXPECT_EQ(f.advance(last_moment), journal{5});
    }
}

TEST(timer_wheel, does_not_mind_a_clock_that_steps_back) {
    fixture f(year, 2);
    f.wheel_.set(f[0], second);
    f.wheel_.set(f[1], second + 1);
    EXPECT_EQ(f.advance(second), journal{0});
    EXPECT_EQ(f.wheel_.next(), second + 1);
    EXPECT_EQ(f.advance(second + 1), journal{1});
}

// Deadlines from 0 to a random power of two up to 2^max_bits, so that there are equal ones.
void expect_order_of_expiry(unsigned max_bits) {
    constexpr int count = 3'000;
    fixture f(-second, count);
    std::mt19937_64 random(max_bits);
    for (int i = 0; i < count; ++i) {
        const std::uint64_t range = std::uint64_t{1} << random() % (max_bits + 1);
        f.wheel_.set(f[i], static_cast<std::int64_t>(random() % range));
    }
    journal expected = numbers(count);
    std::stable_sort(expected.begin(), expected.end(),
                     [&](int a, int b) { return f[a].when() < f[b].when(); });
    EXPECT_EQ(f.advance(100 * year), expected);
}

TEST(timer_wheel, expires_by_deadline_and_then_order_of_set) {
    expect_order_of_expiry(16);  // within one tick
    expect_order_of_expiry(60);  // after a long pause
}

TEST(timer_wheel, keeps_equal_deadlines_in_order_of_set_through_all_levels) {
    constexpr std::int64_t deadline = 100 * year + 123'456;
    fixture f(0, 64);
    int count = 0;
    for (std::int64_t left = deadline; left > 0; left /= 2) {
        EXPECT_EQ(f.advance(deadline - left), journal{});
        f.wheel_.set(f[count++], deadline);
    }
    EXPECT_EQ(f.advance(deadline), numbers(count));
}

TEST(timer_wheel, puts_a_timer_that_is_set_again_last) {
    fixture f(0, 3);
    for (const int i : {0, 2, 1, 2}) f.wheel_.set(f[i], second);
    EXPECT_EQ(f.advance(second), numbers(3));
}

TEST(timer_wheel, reaches_a_far_timer_in_at_most_one_step_a_level) {
    int most = 0;
    for (const std::int64_t start : {first_moment, -year - 1, std::int64_t{-1}, second}) {
        for (unsigned bit = 0; bit < 63; ++bit) {
            const std::int64_t deadline = add(start, (std::int64_t{1} << bit) - 1);
            fixture f(start, 1);
            f.wheel_.set(f[0], deadline);
            int steps = 0;
            std::int64_t now = start;
            for (; !f.wheel_.empty(); ++steps) {
                ASSERT_LE(f.wheel_.next(), deadline);
                ASSERT_LT(steps, 100) << "no progress";
                now = f.wheel_.next();
                f.wheel_.advance(now);
            }
            EXPECT_EQ(now, deadline);
            most = std::max(most, steps);
        }
    }
    EXPECT_LE(most, levels);
}

TEST(timer_wheel, does_not_expire_what_an_expire_function_has_cancelled) {
    fixture f(0, 4);
    for (int i = 0; i < 4; ++i) f.wheel_.set(f[i], second * i);
    f[0].then_ = [&] {
        f.wheel_.cancel(f[0]);
        f.wheel_.cancel(f[1]);
        f.wheel_.cancel(f[3]);
    };
    EXPECT_EQ(f.advance(4 * second), (journal{0, 2}));
    EXPECT_TRUE(f.wheel_.empty());
}

TEST(timer_wheel, postpones_what_an_expire_function_has_set_again) {
    fixture f(0, 3);
    for (int i = 0; i < 3; ++i) f.wheel_.set(f[i], second);
    f[0].then_ = [&] { f.wheel_.set(f[1], 3 * second); };
    EXPECT_EQ(f.advance(2 * second), (journal{0, 2}));
    EXPECT_EQ(f.advance(3 * second - 1), journal{});
    EXPECT_EQ(f.advance(3 * second), journal{1});
}

TEST(timer_wheel, expires_a_timer_that_sets_itself_to_the_past_once_in_each_advance) {
    fixture f(0, 2);
    f.wheel_.set(f[0], 1);
    f.wheel_.set(f[1], second);
    f[0].then_ = [&] {
        EXPECT_FALSE(f[0].armed());
        f.wheel_.set(f[0], 1);
    };
    EXPECT_EQ(f.advance(second), (journal{0, 1}));
    EXPECT_EQ(f.wheel_.next(), 1);
    EXPECT_EQ(f.advance(second), journal{0});
    EXPECT_EQ(f.advance(second), journal{0});
}

TEST(timer_wheel, lets_an_expire_function_destroy_its_node) {
    timer_wheel wheel(0);
    struct owner : timer_node {
        owner() : timer_node(+[](timer_node& n) noexcept { delete static_cast<owner*>(&n); }) {}
    };
    for (int i = 0; i < 3; ++i) wheel.set(*new owner, 1);
    EXPECT_EQ(wheel.advance(1), 3U);
    EXPECT_TRUE(wheel.empty());
}

#ifndef NDEBUG
TEST(timer_wheel_death, an_armed_node_must_not_be_destroyed) {
    EXPECT_DEATH(
        {
            timer_wheel wheel(0);
            journal expired;
            probe lost(expired, 0);
            wheel.set(lost, second);
        },
        "armed");
}
#endif

// Random operations on a wheel and on the obvious structure, a multimap, which keeps equal keys in
// order of insertion. They must agree on every expiry.
class model {
  public:
    model(std::uint64_t seed, std::int64_t start) : random_(seed), now_(start), wheel_(start) {
        for (int i = 0; i < 500; ++i) timers_.emplace_back(*this, i);
    }
    ~model() {
        for (timer& t : timers_) wheel_.cancel(t);
    }

    void run(int operations) {
        for (int i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
            if (random_() % 16 == 0)
                advance();
            else
                change_one();
            check_view();
        }
    }

    std::size_t expired() const { return expired_; }

  private:
    struct timer : timer_node {
        timer(model& owner, int number)
            : timer_node(+[](timer_node& n) noexcept {
                  const timer& self = static_cast<timer&>(n);
                  self.owner_.on_expire(self.number_);
              }),
              owner_(owner),
              number_(number) {}
        model& owner_;
        int number_;
    };

    // From a nanosecond to a year, now and then to four years.
    std::int64_t any_distance() {
        const auto bits = random_() % (random_() % 64 == 0 ? 58 : 56);
        return static_cast<std::int64_t>(random_() % (std::uint64_t{1} << bits));
    }

    std::int64_t any_deadline() {
        switch (random_() % 8) {
            case 0:
                return recent_;
            case 1:
                return now_;
            case 2:
                return add(now_, -any_distance());
            case 3:
                return add(now_, static_cast<std::int64_t>(random_() % (4 * tick)));
            default:
                return add(now_, any_distance());
        }
    }

    void change_one() {
        timer& t = timers_[random_() % timers_.size()];
        EXPECT_EQ(t.armed(), forget(t.number_));
        if (random_() % 3 == 0) {
            wheel_.cancel(t);
            return;
        }
        recent_ = any_deadline();
        pending_.emplace(recent_, t.number_);
        wheel_.set(t, recent_);
    }

    bool forget(int number) {
        const auto is_it = [&](const auto& entry) { return entry.second == number; };
        return std::erase_if(pending_, is_it) + std::erase_if(due_, is_it) != 0;
    }

    void advance() {
        const bool follow = random_() % 2 == 0 && !wheel_.empty();
        now_ = std::max(now_, follow ? wheel_.next() : add(now_, any_distance() >> random_() % 16));
        const auto end = pending_.upper_bound(now_);
        due_.assign(pending_.begin(), end);
        pending_.erase(pending_.begin(), end);
        wheel_.advance(now_);
        EXPECT_TRUE(due_.empty());
    }

    void on_expire(int number) {
        ++expired_;
        ASSERT_FALSE(due_.empty());
        EXPECT_EQ(due_.front().second, number);
        due_.pop_front();
        while (random_() % 4 == 0) change_one();
    }

    void check_view() {
        ASSERT_EQ(wheel_.size(), pending_.size());
        const std::int64_t earliest = pending_.empty() ? last_moment : pending_.begin()->first;
        const std::int64_t next = wheel_.next();
        ASSERT_LE(next, earliest);
        ASSERT_TRUE(next > now_ || earliest <= now_) << "a busy loop";
        const bool in_lowest_level = earliest >> 22 == now_ >> 22;
        ASSERT_TRUE(next == earliest || !(in_lowest_level || pending_.empty())) << "not exact";
    }

    std::mt19937_64 random_;
    std::int64_t now_;
    std::int64_t recent_ = 0;
    timer_wheel wheel_;
    std::deque<timer> timers_;
    std::multimap<std::int64_t, int> pending_;
    std::deque<std::pair<std::int64_t, int>> due_;
    std::size_t expired_ = 0;
};

TEST(timer_wheel, agrees_with_a_multimap_on_random_operations) {
    std::uint64_t seed = 0;
    std::size_t expired = 0;
    for (const std::int64_t start : {first_moment, -20 * year, std::int64_t{0}, 50 * year}) {
        for (int round = 0; round < 4; ++round) {
            SCOPED_TRACE(testing::Message() << "seed " << seed << ", start " << start);
            model m(seed++, start);
            m.run(20'000);
            expired += m.expired();
        }
    }
    EXPECT_GT(expired, 50'000U);
}

}  // namespace
