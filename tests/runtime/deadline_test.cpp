#include "ramie/deadline.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>

#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::detail::now_ns;
using deadline = ramie::test::virtual_time_test;
using seconds_as_double = std::chrono::duration<double>;

constexpr auto forever = std::numeric_limits<std::int64_t>::max();

TEST_F(deadline, is_never_by_default) {
    EXPECT_TRUE(ramie::deadline().is_never());
    EXPECT_EQ(ramie::deadline(), ramie::deadline::never());
    EXPECT_EQ(ramie::deadline::never().nanoseconds(), forever);
    EXPECT_FALSE(ramie::deadline::never().expired());
}

TEST_F(deadline, counts_a_duration_from_now) {
    EXPECT_EQ(ramie::deadline(5s).nanoseconds(), now_ns() + 5'000'000'000);
    EXPECT_EQ(ramie::deadline(seconds_as_double(0.25)).nanoseconds(), now_ns() + 250'000'000);
    EXPECT_FALSE(ramie::deadline(1ns).expired());
}

TEST_F(deadline, has_passed_already_when_the_duration_is_zero_or_less) {
    for (const ramie::deadline passed :
         {ramie::deadline(0s), ramie::deadline(-1h), ramie::deadline(std::chrono::hours::min()),
          ramie::deadline(seconds_as_double(-std::numeric_limits<double>::infinity()))}) {
        EXPECT_EQ(passed.nanoseconds(), now_ns());
        EXPECT_TRUE(passed.expired());
    }
}

TEST_F(deadline, is_never_when_the_duration_is_too_long_to_count) {
    EXPECT_TRUE(ramie::deadline(std::chrono::hours::max()).is_never());
    EXPECT_TRUE(ramie::deadline(std::chrono::nanoseconds::max()).is_never());
    EXPECT_TRUE(ramie::deadline(seconds_as_double(1e300)).is_never());
    EXPECT_TRUE(
        ramie::deadline(seconds_as_double(std::numeric_limits<double>::infinity())).is_never());
    EXPECT_TRUE(
        ramie::deadline(seconds_as_double(std::numeric_limits<double>::quiet_NaN())).is_never());
    EXPECT_FALSE(ramie::deadline(24h * 365 * 200).is_never());
    using thirds = std::chrono::duration<std::uint64_t, std::ratio<1, 3>>;
    EXPECT_TRUE(ramie::deadline(thirds::max()).is_never());
    EXPECT_TRUE(ramie::deadline(std::chrono::duration<std::uint64_t>::max()).is_never());
    EXPECT_FALSE(ramie::deadline(std::chrono::duration<float>(1e9F)).is_never());
}

TEST_F(deadline, is_exact_up_to_the_end_of_time) {
    const std::chrono::nanoseconds left(forever - now_ns());
    EXPECT_EQ(ramie::deadline(left - 1ns).nanoseconds(), forever - 1);
    EXPECT_TRUE(ramie::deadline(left).is_never());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    EXPECT_EQ(ramie::deadline(seconds).nanoseconds(),
              now_ns() + std::chrono::nanoseconds(seconds).count());
    EXPECT_TRUE(ramie::deadline(seconds + 1s).is_never());
}

TEST_F(deadline, is_never_earlier_than_asked) {
    EXPECT_EQ(ramie::deadline(std::chrono::duration<int, std::pico>(1)).nanoseconds(),
              now_ns() + 1);
    EXPECT_EQ(ramie::deadline(std::chrono::duration<double, std::nano>(2.5)).nanoseconds(),
              now_ns() + 3);
    using thirds = std::chrono::duration<unsigned char, std::ratio<1, 3>>;
    EXPECT_EQ(ramie::deadline(thirds(4)).nanoseconds(), now_ns() + 1'333'333'334);
    EXPECT_EQ(ramie::deadline(thirds(3)).nanoseconds(), now_ns() + 1'000'000'000);
}

TEST_F(deadline, takes_a_time_point_as_it_is) {
    using clock = std::chrono::steady_clock;
    EXPECT_EQ(ramie::deadline(clock::time_point(7ns)).nanoseconds(), 7);
    EXPECT_TRUE(ramie::deadline(clock::time_point(7ns)).expired());
    EXPECT_FALSE(ramie::deadline(clock::time_point(7ns)).is_never());
    EXPECT_TRUE(ramie::deadline(clock::time_point::max()).is_never());
    EXPECT_EQ(ramie::deadline::at(7), ramie::deadline(clock::time_point(7ns)));
}

TEST_F(deadline, orders_by_time) {
    EXPECT_LT(ramie::deadline(1s), ramie::deadline(2s));
    EXPECT_LT(ramie::deadline(24h), ramie::deadline::never());
}

TEST_F(deadline, stays_where_it_is_while_time_passes) {
    const ramie::deadline until = 10s;
    ramie::this_fiber::sleep_for(4s);
    EXPECT_FALSE(until.expired());
    ramie::this_fiber::sleep_until(until);
    EXPECT_EQ(clock_.elapsed(), 10s);
    EXPECT_TRUE(until.expired());
    ramie::this_fiber::sleep_until(until);
    EXPECT_EQ(clock_.elapsed(), 10s);
}

}  // namespace
