// Opening what may keep the opener waiting.
#pragma once

#include <sys/types.h>

namespace ramie::monkey::detail {

// True for a FIFO whose opening waits until somebody opens its other end.
bool waits_for_other_end(int directory, const char* path, int flags) noexcept;

// openat() on a fiber: a FIFO that is opened in one direction waits until somebody has opened the
// other. Suspends the calling fiber.
int open_on_fiber(int directory, const char* path, int flags, mode_t mode) noexcept;

}  // namespace ramie::monkey::detail
