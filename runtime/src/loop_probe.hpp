// Asks a thread from outside what it is doing, by a signal.
#pragma once

#include <cstdint>
#include <optional>

#include "ramie/blocked.hpp"

namespace ramie::detail {

class heartbeat;

// Takes the signal. Throws std::system_error.
void prepare_loop_probe();

// Who holds the loop since `since`, and where; none when it has gone on meanwhile. Waits for the
// answer for a while; without one (a thread in an uninterruptible call) the report has no stack.
// For one thread at a time.
std::optional<blocked_report> probe_loop(const heartbeat&, std::int64_t since);

}  // namespace ramie::detail
