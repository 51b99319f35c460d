// Trying pipes, ttys and event descriptors without touching their mode.

#include <limits.h>

#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

bool is_ready(int fd, short events) noexcept {
    pollfd question{fd, events, 0};
    if (real::poll(&question, 1, 0) == 1) return true;
    errno = EAGAIN;
    return false;
}

}  // namespace

ssize_t try_read_parts(int fd, const iovec* parts, int count) noexcept {
    const ssize_t n = preadv2(fd, parts, count, -1, RWF_NOWAIT);
    if (n >= 0 || errno != EOPNOTSUPP) return n;
    // Ready at this moment; only a thief in another process could make this wait.
    return is_ready(fd, POLLIN) ? real::readv(fd, parts, count) : -1;
}

ssize_t try_write_parts(int fd, const iovec* parts, int count) noexcept {
    const ssize_t n = pwritev2(fd, parts, count, -1, RWF_NOWAIT);
    if (n >= 0 || errno != EOPNOTSUPP) return n;
    if (!is_ready(fd, POLLOUT)) return -1;
    // Ready promises room for PIPE_BUF bytes, not for more.
    iovec first = parts[0];
    first.iov_len = std::min<std::size_t>(first.iov_len, PIPE_BUF);
    return real::writev(fd, &first, 1);
}

}  // namespace ramie::monkey::detail
