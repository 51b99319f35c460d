// Event descriptors take a value whole or not at all, and are ready when 1 has room.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

namespace ramie::monkey::detail {

// writev() of one that is ready, without waiting: -1 with EAGAIN when what is to be added has no
// room. Of another descriptor that has no type either, the plain call. Never suspends.
ssize_t write_event(int fd, const iovec* parts, int count) noexcept;

}  // namespace ramie::monkey::detail
