// A moment on the monotonic clock by which a call must be done.
//
//     socket.read_some(buffer, 5s);                       // five seconds from now
//     ramie::deadline until = 30s;                        // one deadline for several calls
//     socket.read_exactly(header, until); socket.read_exactly(body, until);
//
// Every call that can wait takes one as its last argument; the default is never.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace ramie {

namespace detail {
// Nanoseconds on the calling thread's clock: CLOCK_MONOTONIC, or the virtual clock of a test.
[[nodiscard]] std::int64_t now_ns() noexcept;
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

    [[nodiscard]] constexpr bool is_never() const noexcept { return ns_ == forever; }

    // True once the moment has come. Never suspends.
    [[nodiscard]] bool expired() const noexcept { return !is_never() && detail::now_ns() >= ns_; }

    // Nanoseconds of the monotonic clock; the largest value means never. Never suspends.
    [[nodiscard]] constexpr std::int64_t nanoseconds() const noexcept { return ns_; }

    friend constexpr auto operator<=>(const deadline&, const deadline&) noexcept = default;

  private:
    static constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();

    template <class Rep, class Period>
    static std::int64_t from_now(const std::chrono::duration<Rep, Period>& d) noexcept {
        using floating = std::chrono::duration<long double, std::nano>;
        const std::int64_t now = detail::now_ns();
        const long double ns = floating(d).count();
        // Not a number compares false with everything and ends here too.
        if (!(ns < static_cast<long double>(forever - now))) return forever;
        if (ns <= 0) return now;
        // Rounded up: a wait is never shorter than asked.
        return now + std::chrono::ceil<std::chrono::nanoseconds>(d).count();
    }

    std::int64_t ns_ = forever;
};

}  // namespace ramie
