// The libc names of opening files, and of making descriptors that can be waited for.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <cstdarg>

#include "descriptor_kind.hpp"
#include "opening.hpp"

using namespace ramie::monkey::detail;

namespace {

// A number that raw calls may have closed unseen means something new.
int noted(int fd, descriptor_kind kind = descriptor_kind::unknown) noexcept {
    if (fd >= 0 && owns_table()) reset_facts(fd, kind);
    return fd;
}

// A plain thread may be cancelled in it.
int open_at(int directory, const char* path, int flags, mode_t mode) {
    return noted(on_fiber(family::socket) ? open_on_fiber(directory, path, flags, mode)
                                          : real::openat(directory, path, flags, mode));
}

bool takes_mode(int flags) noexcept {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = takes_mode(flags) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = takes_mode(flags) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_at(directory, path, flags, mode);
}

int creat(const char* path, mode_t mode) {
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

[[gnu::alias("open")]] int open64(const char* path, int flags, ...);
[[gnu::alias("openat")]] int openat64(int directory, const char* path, int flags, ...);
[[gnu::alias("creat")]] int creat64(const char* path, mode_t mode);
[[gnu::alias("open"), gnu::nonnull(1)]] int __open(const char* path, int flags, ...);
[[gnu::alias("open"), gnu::nonnull(1)]] int __open64(const char* path, int flags, ...);

// What fortified programs call where no mode is given. If one is needed, the checked original ends
// the process.
int __open_2(const char* path, int flags) {
    return takes_mode(flags) ? real::__open_2(path, flags) : open_at(AT_FDCWD, path, flags, 0);
}
int __openat_2(int directory, const char* path, int flags) {
    return takes_mode(flags) ? real::__openat_2(directory, path, flags)
                             : open_at(directory, path, flags, 0);
}
[[gnu::alias("__open_2")]] int __open64_2(const char* path, int flags);
[[gnu::alias("__openat_2")]] int __openat64_2(int directory, const char* path, int flags);

int eventfd(unsigned value, int flags) noexcept {
    return noted(real::eventfd(value, flags), descriptor_kind::pipe);
}

int timerfd_create(clockid_t clock, int flags) noexcept {
    return noted(real::timerfd_create(clock, flags), descriptor_kind::pipe);
}

int signalfd(int fd, const sigset_t* signals, int flags) noexcept {
    const int made = real::signalfd(fd, signals, flags);
    return fd < 0 ? noted(made, descriptor_kind::pipe) : made;
}
}
