// sleep, usleep, nanosleep, clock_nanosleep, thrd_sleep.

#include "sleep.hpp"

#include <threads.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "probe.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind in_pause{sleeping.what, outside::nobody, nullptr,
                             handler_ends::unless_restarting};
constexpr wait_kind in_sleep{sleeping.what, outside::nobody, nullptr, handler_ends::always};

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max() / 4;

std::int64_t nanoseconds_of(const timespec& t) noexcept {
    return t.tv_sec > longest / second ? longest : t.tv_sec * second + t.tv_nsec;
}

timespec timespec_of(std::int64_t ns) noexcept { return {ns / second, ns % second}; }

}  // namespace

wake sleep_on_fiber(deadline until) noexcept { return park_fiber(in_sleep, nullptr, until); }

wake pause_on_fiber(deadline until) noexcept { return park_fiber(in_pause, nullptr, until); }

bool is_valid(const timespec& t) noexcept {
    return t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < second;
}

deadline deadline_after(const timespec* duration) noexcept {
    if (duration == nullptr) return deadline::never();
    return std::chrono::nanoseconds(nanoseconds_of(*duration));
}

namespace {

std::int64_t time_on(clockid_t clock) noexcept {
    timespec now{};
    clock_gettime(clock, &now);
    return nanoseconds_of(now);
}

// Sleeps for `ns`; 0, or the error of a broken sleep with what was left in `rest`.
int sleep_for(std::int64_t ns, std::int64_t& rest) noexcept {
    const std::int64_t end = now_ns() + ns;
    wake reason;
    do {
        reason = sleep_on_fiber(deadline::at(end));
    } while (was_taken_back(reason));
    if (reason == wake::timed_out) return 0;
    rest = std::max<std::int64_t>(end - now_ns(), 0);
    return wait_error(reason);
}

// A wall clock can be set: look again until it shows the time.
int sleep_until(clockid_t clock, std::int64_t end) noexcept {
    for (std::int64_t left = end - time_on(clock); left > 0; left = end - time_on(clock)) {
        std::int64_t rest = 0;
        constexpr std::int64_t look_again = 10 * second;
        if (const int error = sleep_for(std::min(left, look_again), rest)) return error;
    }
    return 0;
}

// Those of CPU time do, and those that wake the machine.
bool has_its_own_time(clockid_t clock) noexcept {
    return clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
           clock != CLOCK_TAI;
}

// What the kernel would refuse is left to it.
bool may_sleep_for(const timespec* time) noexcept {
    return may_be_read(time, sizeof *time) && is_valid(*time);
}

int clock_sleep(clockid_t clock, int flags, const timespec* time, timespec* rest) noexcept {
    if (has_its_own_time(clock) || !may_sleep_for(time))
        return real::clock_nanosleep(clock, flags, time, rest);
    if ((flags & TIMER_ABSTIME) != 0) return sleep_until(clock, nanoseconds_of(*time));
    std::int64_t left = 0;
    const int error = sleep_for(nanoseconds_of(*time), left);
    if (error == 0 || rest == nullptr) return error;
    if (!may_be_read(rest, sizeof *rest)) return EFAULT;
    *rest = timespec_of(left);
    return error;
}

// As sleep() and its like report it.
int fail_with(int error) noexcept {
    if (error == 0) return 0;
    errno = error;
    return -1;
}

unsigned sleep_seconds(unsigned seconds) noexcept {
    std::int64_t rest = 0;
    const int error = sleep_for(std::int64_t{seconds} * second, rest);
    if (error == 0) return 0;
    errno = error;
    return static_cast<unsigned>(rest / second);
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

unsigned sleep(unsigned seconds) {
    return on_fiber(family::sleep) ? sleep_seconds(seconds) : real::sleep(seconds);
}

int usleep(useconds_t microseconds) {
    if (!on_fiber(family::sleep)) return real::usleep(microseconds);
    std::int64_t rest = 0;
    return fail_with(sleep_for(std::int64_t{microseconds} * 1000, rest));
}

int nanosleep(const timespec* duration, timespec* rest) {
    if (!on_fiber(family::sleep) || !may_sleep_for(duration))
        return real::nanosleep(duration, rest);
    return fail_with(clock_sleep(CLOCK_MONOTONIC, 0, duration, rest));
}

int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* rest) {
    return on_fiber(family::sleep) ? clock_sleep(clock, flags, time, rest)
                                   : real::clock_nanosleep(clock, flags, time, rest);
}

// libc's own would pass by the patch.
int thrd_sleep(const timespec* duration, timespec* rest) {
    const int error = clock_nanosleep(CLOCK_REALTIME, 0, duration, rest);
    if (error == 0) return 0;
    return error == EINTR ? -1 : -2;
}

[[gnu::alias("nanosleep")]] int __nanosleep(const timespec* duration, timespec* rest);
}
