// sleep, usleep, nanosleep, clock_nanosleep and thrd_sleep, compared with the kernel.

#include <threads.h>
#include <unistd.h>

#include <ctime>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

void lasts_as_long_as_asked(stage& s) {
    s.add("caller", [](actor& me) {
        const timespec t{0, 20'000'000};
        me.takes_at_least(20ms, [&] { me.call("usleep", [] { return ::usleep(20'000); }); });
        me.takes_at_least(20ms,
                          [&] { me.call("nanosleep", [&] { return ::nanosleep(&t, nullptr); }); });
        me.takes_at_least(
            20ms, [&] { me.call("thrd_sleep", [&] { return ::thrd_sleep(&t, nullptr); }); });
        for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI})
            me.takes_at_least(20ms, [&] {
                me.call("clock_nanosleep",
                        [&] { return ::clock_nanosleep(clock, 0, &t, nullptr); });
            });
    });
}

void of_a_second(stage& s) {
    s.add("caller", [](actor& me) {
        me.takes_at_least(1s, [&] { me.call("sleep", [] { return ::sleep(1); }); });
    });
}

void of_nothing_returns(stage& s) {
    s.add("caller", [](actor& me) {
        timespec t{0, 0};
        timespec rest{7, 7};
        me.call("sleep", [] { return ::sleep(0); });
        me.call("usleep", [] { return ::usleep(0); });
        me.call("nanosleep", [&] { return ::nanosleep(&t, &rest); });
        me.call("nanosleep", [&] { return ::nanosleep(&t, &t); });
        me.log(std::to_string(rest.tv_sec) + " left");
    });
}

void lasts_until_a_point_in_time(stage& s) {
    s.add("caller", [](actor& me) {
        for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI}) {
            timespec t{};
            must("clock_gettime", ::clock_gettime(clock, &t));
            for (int i = 0; i != 2; ++i)  // the second time it is past
                me.call("clock_nanosleep", [&] {
                    t.tv_nsec += i == 0 ? 20'000'000 : 0;
                    t.tv_sec += t.tv_nsec / 1'000'000'000;
                    t.tv_nsec %= 1'000'000'000;
                    return ::clock_nanosleep(clock, TIMER_ABSTIME, &t, nullptr);
                });
            timespec now{};
            must("clock_gettime", ::clock_gettime(clock, &now));
            me.log(now.tv_sec > t.tv_sec || (now.tv_sec == t.tv_sec && now.tv_nsec >= t.tv_nsec)
                       ? "it is past"
                       : "too early");
        }
    });
}

void refuses_bad_arguments(stage& s) {
    s.add("caller", [](actor& me) {
        for (const timespec bad : {timespec{0, -1}, timespec{0, 1'000'000'000}, timespec{-1, 0}}) {
            me.call("nanosleep", [&] { return ::nanosleep(&bad, nullptr); });
            for (const int flags : {0, int{TIMER_ABSTIME}})
                me.call("clock_nanosleep",
                        [&] { return ::clock_nanosleep(CLOCK_MONOTONIC, flags, &bad, nullptr); });
            me.call("thrd_sleep", [&] { return ::thrd_sleep(&bad, nullptr); });
        }
        const timespec t{0, 1};
        for (const clockid_t clock : {CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW, 77})
            me.call("clock_nanosleep", [&] { return ::clock_nanosleep(clock, 0, &t, nullptr); });
        for (const timespec* const nothing :
             {hidden<timespec*>(nullptr), bad_pointer<timespec>()}) {
            me.call("nanosleep", [&] { return ::nanosleep(nothing, nullptr); });
            me.call("clock_nanosleep",
                    [&] { return ::clock_nanosleep(CLOCK_MONOTONIC, 0, nothing, nullptr); });
        }
    });
}

const named_scenario scenarios[] = {
    {"lasts_as_long_as_asked", lasts_as_long_as_asked},
    {"of_a_second", of_a_second},
    {"of_nothing_returns", of_nothing_returns},
    {"lasts_until_a_point_in_time", lasts_until_a_point_in_time},
    {"refuses_bad_arguments", refuses_bad_arguments},
};

class sleeping : public ::testing::TestWithParam<named_scenario> {};

TEST_P(sleeping, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, sleeping, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
