// Waits for a descriptor that some other code reads or writes.
//
//     while (PQconsumeInput(conn) && PQisBusy(conn))
//         ramie::wait_readable(PQsocket(conn), 5s);
//
// For sockets, pipes, ttys, event and timer descriptors; anything the kernel cannot wait for (a
// regular file) is always ready. Many fibers may wait for one descriptor.
#pragma once

#include "ramie/deadline.hpp"

namespace ramie {

// Waits until a read (an accept) would not block; true when ready (also by end of stream or error),
// false at the deadline. Throws std::system_error: EBADF when the descriptor is not open or is
// closed while waiting. Suspends the calling fiber.
bool wait_readable(int fd, deadline until = {});

// The same for a write. Suspends the calling fiber.
bool wait_writable(int fd, deadline until = {});

// Wakes all who wait for `fd` (they get EBADF) and takes it out of the reactor; to be called before
// a close() that is not patched. Never suspends.
void forget_descriptor(int fd) noexcept;

}  // namespace ramie
