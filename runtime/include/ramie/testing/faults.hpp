// What goes wrong on a stream, and how often: for memory streams, for the patched calls
// (ramie/monkey/faults.hpp), and for a test's own fakes.
//
//     near.set_faults({.short_transfers = 0.5, .reset_after = 1000});
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "ramie/testing/seeded_random.hpp"

namespace ramie::testing {

// Each probability is that of one transfer.
struct fault_plan {
    std::uint64_t seed = 0;      // 0: that of the run that explore() makes
    double short_transfers = 0;  // moves less than it could
    double delays = 0;           // waits for `delay` first
    std::chrono::nanoseconds delay = std::chrono::milliseconds(1);
    double spurious_wakes = 0;  // wakes up for nothing: first, and again if it has to wait
    std::optional<std::size_t> end_after = {};    // so many bytes can be read, then the stream ends
    std::optional<std::size_t> reset_after = {};  // so many bytes both ways, then it is reset
};

// Decides for one stream, transfer by transfer.
class fault_source {
  public:
    // Never suspends.
    explicit fault_source(const fault_plan&) noexcept;

    enum class outcome : std::uint8_t { moves, waits, ends, resets };
    struct decision {
        outcome what = outcome::moves;
        std::size_t most = 0;              // bytes that may be moved
        std::chrono::nanoseconds delay{};  // before it is tried again
    };
    // A transfer that waited and is tried again is asked for anew. Never suspends.
    decision next_read(std::size_t wanted) noexcept;
    decision next_write(std::size_t wanted) noexcept;

    // What the transfer came to. Never suspends.
    void was_read(std::size_t bytes) noexcept { in_.moved += bytes; }
    void was_written(std::size_t bytes) noexcept { out_.moved += bytes; }

    // Whether a transfer that has to wait is woken for nothing first. Never suspends.
    [[nodiscard]] bool wakes_for_nothing() noexcept { return random_.chance(plan_.spurious_wakes); }

  private:
    // One way.
    struct direction {
        std::size_t moved = 0;
        bool waited = false;
    };
    decision next(direction&, std::size_t wanted, std::size_t until_end) noexcept;

    fault_plan plan_;
    seeded_random random_;
    direction in_;
    direction out_;
};

}  // namespace ramie::testing
