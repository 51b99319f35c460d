// A FIFO's opening waits for the other end, and no event tells that it came: it is opened without
// waiting, and looked at from time to time. A thread that waited in our stead could not be called
// back, and would let the other end through for an opener that is gone.

#include "opening.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "connection.hpp"
#include "off_the_loop.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

// There is one, or was one already. A read tells without taking anything: into nowhere, it fails
// unless the kernel has nobody to wait for.
bool has_writer(int fifo) noexcept {
    if (ready_now(fifo, POLLIN) != 0) return true;
    return syscall(SYS_read, fifo, nullptr, 1) != 0;
}

int close_after_failure(int fd) noexcept {
    const int error = errno;
    real::close(fd);
    errno = error;
    return -1;
}

void make_blocking(int fd) noexcept {
    const int flags = real::fcntl(fd, F_GETFL, nullptr);
    real::fcntl(fd, F_SETFL, reinterpret_cast<void*>(std::intptr_t{flags & ~O_NONBLOCK}));
}

}  // namespace

// Path lookups of others are left as they are, and so are opens that never wait.
bool waits_for_other_end(int directory, const char* path, int flags) noexcept {
    const int access = flags & O_ACCMODE;
    if ((flags & (O_NONBLOCK | O_PATH)) != 0 || (access != O_RDONLY && access != O_WRONLY))
        return false;
    const int saved = errno;
    struct stat status;
    const int follow = (flags & O_NOFOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0;
    const bool is_one = fstatat(directory, path, &status, follow) == 0 && S_ISFIFO(status.st_mode);
    errno = saved;
    return is_one;
}

int open_on_fiber(int directory, const char* path, int flags, mode_t mode) noexcept {
    if (!waits_for_other_end(directory, path, flags)) {
        const auto open_file = [=] { return real::openat(directory, path, flags, mode); };
        return is_on(family::file) ? off_the_loop(open_file) : open_file();
    }
    int fd = -1;
    const bool writes = (flags & O_ACCMODE) == O_WRONLY;
    const auto open_end = [&] {
        fd = real::openat(directory, path, flags | O_NONBLOCK, mode);
        return fd >= 0 || !writes || errno != ENXIO;
    };
    if (!try_until(deadline::never(), open_end) || fd < 0) return -1;
    if (!writes && !try_until(deadline::never(), [fd] { return has_writer(fd); }))
        return close_after_failure(fd);
    make_blocking(fd);
    return fd;
}

}  // namespace ramie::monkey::detail
