// Random numbers that a seed repeats, the same on every machine. Usable with <random>.
#pragma once

#include <cstdint>

namespace ramie::testing {

class seeded_random {
  public:
    using result_type = std::uint64_t;

    // Never suspends.
    explicit constexpr seeded_random(std::uint64_t seed) noexcept : state_(seed) {}

    // Never suspends.
    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return ~result_type{0}; }

    // Never suspends.
    constexpr result_type operator()() noexcept { return mix(state_ += 0x9e3779b97f4a7c15); }

    // From 0 to `count` - 1; 0 of none. Never suspends.
    constexpr std::uint64_t below(std::uint64_t count) noexcept {
        const auto product = static_cast<wide>((*this)()) * count;
        return static_cast<std::uint64_t>(product >> 64);
    }

    // True in so many of all cases. Never suspends.
    constexpr bool chance(double probability) noexcept {
        return static_cast<double>((*this)() >> 11) * 0x1p-53 < probability;
    }

    // Spreads what differs little (the finalizer of SplitMix64). Never suspends.
    static constexpr std::uint64_t mix(std::uint64_t x) noexcept {
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
        x = (x ^ x >> 27) * 0x94d049bb133111eb;
        return x ^ x >> 31;
    }

  private:
    __extension__ typedef unsigned __int128 wide;
    std::uint64_t state_;
};

}  // namespace ramie::testing
