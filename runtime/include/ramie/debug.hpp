// Looking inside a running scheduler.
//
//     ramie::dump(std::cerr);   // every fiber of this thread: name, state, what it waits for
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include "ramie/blocked.hpp"

namespace ramie {

// Writes a line for each fiber of the calling thread. Never suspends.
void dump(std::ostream&);

struct scheduler_stats {
    std::size_t fibers = 0;         // alive, the main fiber not counted
    std::size_t stacks_in_use = 0;  // alive, and ended ones that a handle still holds
    std::size_t stacks_free = 0;    // kept for reuse
    std::size_t timers = 0;         // armed
    std::uint64_t polls = 0;        // times the reactor was asked
    std::uint64_t switches = 0;     // between fibers, as far as counted at the last poll
};

// Of the calling thread's scheduler; all zero when it has none. Never suspends.
[[nodiscard]] scheduler_stats stats() noexcept;

}  // namespace ramie
