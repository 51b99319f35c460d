// Trying pipes, ttys and event descriptors without touching their mode, which belongs to the open
// file: other processes write to the same terminal, and two that set and clear it around their
// calls would leave it set, or see each other's.

#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>
#include <numeric>

#include "eventfd.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

// The same as a try: EAGAIN when nothing is.
short ready_for(int fd, short events) noexcept {
    const short ready = ready_now(fd, events);
    if (ready == 0) errno = EAGAIN;
    return ready;
}

// Keeps errno.
bool is_reading_end_of_fifo(int fd) noexcept {
    if (file_type(fd) != S_IFIFO) return false;
    const int saved = errno;
    const int flags = real::fcntl(fd, F_GETFL, nullptr);
    errno = saved;
    return flags >= 0 && (flags & (O_ACCMODE | O_DIRECT)) == O_RDONLY;
}

// Ready promises room for so much, and not for more. What fits goes as one.
ssize_t write_at_most(int fd, const iovec* parts, int count, std::size_t most) noexcept {
    const auto add = [](std::size_t sum, const iovec& part) { return sum + part.iov_len; };
    if (std::accumulate(parts, parts + count, std::size_t{0}, add) <= most)
        return real::writev(fd, parts, count);
    iovec first = first_filled(parts, count);
    first.iov_len = std::min(first.iov_len, most);
    return real::writev(fd, &first, 1);
}

// Opened anew without waiting, a terminal is the same one, and the mode is that of this opening
// alone. Not where its name stands for whichever terminal is current, or for a new one: /dev/tty,
// /dev/console, /dev/ptmx, /dev/tty0.
class own_opening {
  public:
    explicit own_opening(int terminal) noexcept {
        struct stat status;
        if (fstat(terminal, &status) != 0 || is_alias(status.st_rdev)) return;
        char name[32];
        std::snprintf(name, sizeof name, "/proc/self/fd/%d", terminal);
        fd_ = real::open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    }
    ~own_opening() {
        const int saved = errno;
        if (fd_ >= 0) real::close(fd_);
        errno = saved;
    }
    own_opening(const own_opening&) = delete;
    own_opening& operator=(const own_opening&) = delete;

    // -1: it may not be opened again.
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    static bool is_alias(dev_t device) noexcept {
        constexpr unsigned alternate_terminals = 5;
        return major(device) == alternate_terminals || device == makedev(4, 0);
    }

    int fd_ = -1;
};

// It is ready: has some room.
ssize_t write_to_terminal(int fd, const iovec* parts, int count) noexcept {
    constexpr std::size_t least_room = 256;  // of a pseudo-terminal; serial lines have more
    const own_opening own(fd);
    return own.fd() >= 0 ? real::writev(own.fd(), parts, count)
                         : write_at_most(fd, parts, count, least_room);
}

bool is_terminal(int fd) noexcept {
    const int saved = errno;
    const bool is = isatty(fd) == 1;
    errno = saved;
    return is;
}

}  // namespace

ssize_t try_read_parts(int fd, const iovec* parts, int count) noexcept {
    ssize_t n = real::preadv2(fd, parts, count, -1, RWF_NOWAIT);
    if (n >= 0 || errno != EOPNOTSUPP) return n;
    // One that nobody has opened for writing yet is at its end, and no event tells so: this does.
    if (is_reading_end_of_fifo(fd)) {
        n = real::vmsplice(fd, parts, static_cast<std::size_t>(count), SPLICE_F_NONBLOCK);
        if (n >= 0 || errno == EAGAIN) return n;
    }
    // Ready at this moment; only a thief in another process could make this wait.
    return ready_for(fd, POLLIN) != 0 ? real::readv(fd, parts, count) : -1;
}

ssize_t try_write_parts(int fd, const iovec* parts, int count) noexcept {
    const ssize_t n = real::pwritev2(fd, parts, count, -1, RWF_NOWAIT);
    if (n >= 0 || errno != EOPNOTSUPP) return n;
    const short ready = ready_for(fd, POLLOUT);
    if (ready == 0) return -1;
    // What is broken says so at once.
    if ((ready & POLLERR) != 0) return real::writev(fd, parts, count);
    switch (file_type(fd)) {
        case S_IFIFO:
            return write_at_most(fd, parts, count, PIPE_BUF);
        case 0:
            return write_event(fd, parts, count);
        default:
            break;
    }
    if (is_terminal(fd)) return write_to_terminal(fd, parts, count);
    const nonblocking_for_a_call mode(fd);  // a device of another sort
    return real::writev(fd, parts, count);
}

}  // namespace ramie::monkey::detail
