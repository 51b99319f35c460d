// The streams that popen() made.
#pragma once

#include <cstdio>

namespace ramie::monkey::detail {

// Closes a stream of popen() and waits for its command, whose status it gives; false when `stream`
// is another one. Suspends the calling fiber.
bool close_if_command(FILE* stream, int& status);

}  // namespace ramie::monkey::detail
