// Trying pipes, ttys and event descriptors without touching their mode.

#include <limits.h>
#include <sys/stat.h>

#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

bool is_ready(int fd, short events) noexcept {
    pollfd question{fd, events, 0};
    if (real::poll(&question, 1, 0) == 1) return true;
    errno = EAGAIN;
    return false;
}

// Keeps errno.
bool is_fifo(int fd) noexcept {
    const int saved = errno;
    struct stat status;
    const bool is = fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
    errno = saved;
    return is;
}

// Ready promises room for so much, and not for more.
ssize_t write_at_most(int fd, iovec first, std::size_t most) noexcept {
    first.iov_len = std::min(first.iov_len, most);
    return real::writev(fd, &first, 1);
}

}  // namespace

ssize_t try_read_parts(int fd, const iovec* parts, int count) noexcept {
    const ssize_t n = real::preadv2(fd, parts, count, -1, RWF_NOWAIT);
    if (n >= 0 || errno != EOPNOTSUPP) return n;
    // Ready at this moment; only a thief in another process could make this wait.
    if (is_ready(fd, POLLIN)) return real::readv(fd, parts, count);
    if (!is_fifo(fd)) return -1;
    // One that nobody has opened for writing yet is at its end, and no event tells so.
    const nonblocking_for_a_call mode(fd);
    return real::readv(fd, parts, count);
}

ssize_t try_write_parts(int fd, const iovec* parts, int count) noexcept {
    const ssize_t n = real::pwritev2(fd, parts, count, -1, RWF_NOWAIT);
    if (n >= 0 || errno != EOPNOTSUPP) return n;
    if (!is_ready(fd, POLLOUT)) return -1;
    if (is_fifo(fd)) return write_at_most(fd, parts[0], PIPE_BUF);
    // A tty or an event descriptor is ready when it has room for some of it.
    const nonblocking_for_a_call mode(fd);
    return real::writev(fd, parts, count);
}

}  // namespace ramie::monkey::detail
