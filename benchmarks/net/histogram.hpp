// Latency percentiles in constant memory and time: linear steps inside each power of two.
//
//     histogram latencies;
//     latencies.add(1'500);                              // nanoseconds
//     double p99 = latencies.percentile_us(99);          // microseconds

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

// Counts of nanoseconds; a bucket is at most 1/64 of its value wide.
class histogram {
  public:
    void add(std::int64_t value) { ++counts_[bucket(static_cast<std::uint64_t>(value))]; }

    std::uint64_t count() const {
        return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
    }

    // 0 as long as there is no value.
    double percentile_us(double percent) const {
        const auto rank = static_cast<std::uint64_t>(percent / 100 * static_cast<double>(count()));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > rank) return static_cast<double>(lowest(i)) / 1000;
        }
        return 0;
    }

  private:
    static constexpr std::size_t steps = 64;

    static std::size_t bucket(std::uint64_t value) {
        if (value < 2 * steps) return value;
        const auto shift = static_cast<std::size_t>(std::bit_width(value) - std::bit_width(steps));
        return shift * steps + (value >> shift);
    }

    static std::uint64_t lowest(std::size_t bucket) {
        if (bucket < 2 * steps) return bucket;
        const std::size_t shift = bucket / steps - 1;
        return std::uint64_t{bucket % steps + steps} << shift;
    }

    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(59 * steps);
};
