// Locks of files that are waited for.
#pragma once

#include <fcntl.h>

namespace ramie::monkey::detail {

inline bool waits_for_lock(int command) noexcept {
    return command == F_SETLKW || command == F_OFD_SETLKW;
}

// fcntl() with such a command, on a fiber. Suspends the calling fiber.
int lock_record(int fd, int command, void* lock) noexcept;

}  // namespace ramie::monkey::detail
