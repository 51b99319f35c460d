// Taking a connection from a listener without waiting and without touching its mode.
#pragma once

#include <sys/socket.h>

namespace ramie::monkey::detail {

// accept4() that fails with EAGAIN when no connection is there, whatever the listener's mode and
// whoever else takes from it. Never suspends.
int try_accept(int fd, sockaddr* address, socklen_t* length, int flags) noexcept;

// For tests: without io_uring, as in a container that forbids it.
void forbid_ring_for_accept(bool forbid) noexcept;

}  // namespace ramie::monkey::detail
