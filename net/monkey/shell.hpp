// The streams that popen() made.
#pragma once

#include <atomic>
#include <cstdio>

namespace ramie::monkey::detail {

// Closes a stream of popen() and waits for its command, whose status it gives; false when `stream`
// is another one. Suspends the calling fiber.
bool close_command_of(FILE* stream, int& status);
// As a rule there is none, and one load tells.
inline constinit std::atomic<int> commands_opened{0};
inline bool close_if_command(FILE* stream, int& status) {
    return commands_opened.load(std::memory_order_relaxed) != 0 && close_command_of(stream, status);
}

}  // namespace ramie::monkey::detail
