// A moment on the monotonic clock by which a call must be done.
//
//     socket.read_some(buffer, 5s);                       // five seconds from now
//     ramie::deadline until = 30s;                        // one deadline for several calls
//     socket.read_exactly(header, until); socket.read_exactly(body, until);
//
// A call that can wait takes one as its last argument; the default is never. Those that pass
// arguments on, as spawn() and apply() of a pool or offload(), have none: a `timeout` scope limits
// them as it limits everything.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>

namespace ramie {

namespace detail {
// Nanoseconds on the calling thread's clock: CLOCK_MONOTONIC, or the virtual clock of a test.
[[nodiscard]] std::int64_t now_ns() noexcept;

// A positive duration in nanoseconds, rounded up: a wait is never shorter than asked. The largest
// value stands for all that is larger, and for what is not a number.
template <class Rep, class Period>
[[nodiscard]] constexpr std::uint64_t nanoseconds_of(
    const std::chrono::duration<Rep, Period>& d) noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
        const double ns = std::chrono::duration<double, std::nano>(d).count();
        if (!(ns < 0x1p63)) return most;
        const auto whole = static_cast<std::uint64_t>(ns);
        return whole + (static_cast<double>(whole) < ns ? 1 : 0);
    } else {
        using scale = std::ratio_divide<Period, std::nano>;
        constexpr std::uint64_t num = scale::num;
        constexpr std::uint64_t den = scale::den;
        const auto count = static_cast<std::uint64_t>(d.count());
        if (count / den > most / num - 1) return most;
        return count / den * num + (count % den * num + den - 1) / den;
    }
}
}  // namespace detail

class deadline {
  public:
    // Never. Never suspends.
    constexpr deadline() noexcept = default;

    // `d` from now; zero or negative has passed already, a duration beyond 292 years is never.
    // Never suspends.
    template <class Rep, class Period>
    deadline(const std::chrono::duration<Rep, Period>& d) noexcept : ns_(from_now(d)) {}

    // At `t`. Never suspends.
    constexpr deadline(std::chrono::steady_clock::time_point t) noexcept
        : ns_(t == std::chrono::steady_clock::time_point::max()
                  ? forever
                  : std::chrono::nanoseconds(t.time_since_epoch()).count()) {}

    // Never suspends.
    [[nodiscard]] static constexpr deadline never() noexcept { return {}; }

    // At `ns` nanoseconds of the monotonic clock. Never suspends.
    [[nodiscard]] static constexpr deadline at(std::int64_t ns) noexcept {
        deadline d;
        d.ns_ = ns;
        return d;
    }

    // Never suspends.
    [[nodiscard]] constexpr bool is_never() const noexcept { return ns_ == forever; }

    // True once the moment has come. Never suspends.
    [[nodiscard]] bool expired() const noexcept { return !is_never() && detail::now_ns() >= ns_; }

    // Nanoseconds of the monotonic clock; the largest value means never. Never suspends.
    [[nodiscard]] constexpr std::int64_t nanoseconds() const noexcept { return ns_; }

    // The earlier one is less; never is the largest. Never suspends.
    friend constexpr auto operator<=>(const deadline&, const deadline&) noexcept = default;

  private:
    static constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();

    template <class Rep, class Period>
    static std::int64_t from_now(const std::chrono::duration<Rep, Period>& d) noexcept {
        const std::int64_t now = detail::now_ns();
        if (d <= d.zero()) return now;
        const std::uint64_t ns = detail::nanoseconds_of(d);
        const auto left = static_cast<std::uint64_t>(forever - now);
        return ns < left ? now + static_cast<std::int64_t>(ns) : forever;
    }

    std::int64_t ns_ = forever;
};

}  // namespace ramie
