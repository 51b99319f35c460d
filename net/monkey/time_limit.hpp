// The absolute times of libc's timed waits, as deadlines.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "calls.hpp"

namespace ramie::monkey::detail {

class time_limit {
  public:
    static constexpr std::int64_t second = 1'000'000'000;

    constexpr time_limit() noexcept = default;  // never
    time_limit(clockid_t clock, const timespec* end) noexcept : clock_(clock), end_(end) {}

    // What libc accepts.
    [[nodiscard]] bool is_valid() const noexcept {
        return has_known_clock() &&
               (end_ == nullptr || (end_->tv_nsec >= 0 && end_->tv_nsec < second));
    }
    [[nodiscard]] bool has_known_clock() const noexcept {
        return end_ == nullptr || clock_ == CLOCK_REALTIME || clock_ == CLOCK_MONOTONIC;
    }

    // The next time to look. A wall clock can be set: it is read again now and then.
    struct look {
        deadline at;
        bool is_last;
    };
    [[nodiscard]] look next(std::int64_t at_most = 10 * second) const noexcept {
        if (end_ == nullptr)
            return {at_most == 10 * second ? deadline::never() : deadline::at(now_ns() + at_most),
                    false};
        const std::int64_t left = time_left();
        return {deadline::at(now_ns() + std::min(left, at_most)), left <= at_most};
    }

  private:
    [[nodiscard]] std::int64_t time_left() const noexcept {
        timespec now{};
        clock_gettime(clock_, &now);
        constexpr std::int64_t longest = std::int64_t{1} << 32;  // seconds
        const std::int64_t seconds =
            std::clamp<std::int64_t>(end_->tv_sec - now.tv_sec, -longest, longest);
        return std::max<std::int64_t>(seconds * second + end_->tv_nsec - now.tv_nsec, 0);
    }

    clockid_t clock_ = CLOCK_MONOTONIC;
    const timespec* end_ = nullptr;
};

}  // namespace ramie::monkey::detail
