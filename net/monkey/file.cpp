// The libc names of what is done with files and directories, but for open(), read() and write(),
// which are for other descriptors as well.

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "descriptor_kind.hpp"
#include "off_the_loop.hpp"

namespace ramie::monkey::detail {

namespace {

// A call that names its file, or has a directory.
template <class R, class... Args>
R with_names(const original_call<R(Args...)>& call, Args... args) noexcept {
    if (!on_fiber(family::file)) return call(args...);
    return off_the_loop([&call, args...] { return call(args...); });
}

bool is_file(int fd) noexcept {
    descriptor_facts* const facts = facts_of(fd);
    return facts != nullptr && kind_of(fd, *facts) == descriptor_kind::plain;
}

// A call on a descriptor: those of no disk have their answer at once. A plain thread may be
// cancelled in it.
template <class R, class... Args>
R with_number(const original_call<R(int, Args...)>& call, int fd, Args... args) {
    if (!on_fiber(family::file) || !is_on(family::socket) || !is_file(fd)) return call(fd, args...);
    return off_the_loop([&call, fd, args...] { return call(fd, args...); });
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

ssize_t pread(int fd, void* data, size_t size, off_t at) {
    return with_number(real::pread, fd, data, size, at);
}
ssize_t pread64(int fd, void* data, size_t size, off_t at) { return pread(fd, data, size, at); }
// Too small a buffer is left to the checked original, which ends the process.
ssize_t __pread_chk(int fd, void* data, size_t size, off_t at, size_t room) {
    return size <= room ? pread(fd, data, size, at) : real::__pread_chk(fd, data, size, at, room);
}
[[gnu::alias("__pread_chk")]] ssize_t __pread64_chk(int fd, void* data, size_t size, off_t at,
                                                    size_t room);
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
    return with_number(real::pwrite, fd, data, size, at);
}
ssize_t pwrite64(int fd, const void* data, size_t size, off_t at) {
    return pwrite(fd, data, size, at);
}
[[gnu::alias("pread")]] ssize_t __pread64(int fd, void* data, size_t size, off_t at);
[[gnu::alias("pwrite")]] ssize_t __pwrite64(int fd, const void* data, size_t size, off_t at);
ssize_t preadv(int fd, const iovec* parts, int count, off_t at) {
    return with_number(real::preadv, fd, parts, count, at);
}
ssize_t preadv64(int fd, const iovec* parts, int count, off_t at) {
    return preadv(fd, parts, count, at);
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t at) {
    return with_number(real::pwritev, fd, parts, count, at);
}
ssize_t pwritev64(int fd, const iovec* parts, int count, off_t at) {
    return pwritev(fd, parts, count, at);
}

int fsync(int fd) { return with_number(real::fsync, fd); }
int fdatasync(int fd) { return with_number(real::fdatasync, fd); }
int ftruncate(int fd, off_t size) noexcept { return with_number(real::ftruncate, fd, size); }
int ftruncate64(int fd, off_t size) noexcept { return ftruncate(fd, size); }

int stat(const char* path, struct stat* to) noexcept { return with_names(real::stat, path, to); }
int lstat(const char* path, struct stat* to) noexcept { return with_names(real::lstat, path, to); }
int fstatat(int directory, const char* path, struct stat* to, int flags) noexcept {
    return with_names(real::fstatat, directory, path, to, flags);
}
int stat64(const char* path, struct stat64* to) noexcept {
    return stat(path, reinterpret_cast<struct stat*>(to));
}
int lstat64(const char* path, struct stat64* to) noexcept {
    return lstat(path, reinterpret_cast<struct stat*>(to));
}
int fstatat64(int directory, const char* path, struct stat64* to, int flags) noexcept {
    return fstatat(directory, path, reinterpret_cast<struct stat*>(to), flags);
}
int statx(int directory, const char* path, int flags, unsigned mask, struct statx* to) noexcept {
    return with_names(real::statx, directory, path, flags, mask, to);
}
int access(const char* path, int mode) noexcept { return with_names(real::access, path, mode); }
int faccessat(int directory, const char* path, int mode, int flags) noexcept {
    return with_names(real::faccessat, directory, path, mode, flags);
}

int unlink(const char* path) noexcept { return with_names(real::unlink, path); }
int unlinkat(int directory, const char* path, int flags) noexcept {
    return with_names(real::unlinkat, directory, path, flags);
}
int rename(const char* from, const char* to) noexcept { return with_names(real::rename, from, to); }
int renameat(int from_in, const char* from, int to_in, const char* to) noexcept {
    return with_names(real::renameat, from_in, from, to_in, to);
}
int truncate(const char* path, off_t size) noexcept {
    return with_names(real::truncate, path, size);
}
int truncate64(const char* path, off_t size) noexcept { return truncate(path, size); }
int mkdir(const char* path, mode_t mode) noexcept { return with_names(real::mkdir, path, mode); }
int rmdir(const char* path) noexcept { return with_names(real::rmdir, path); }

DIR* opendir(const char* path) { return with_names(real::opendir, path); }
dirent* readdir(DIR* directory) { return with_names(real::readdir, directory); }
dirent64* readdir64(DIR* directory) {
    return reinterpret_cast<dirent64*>(with_names(real::readdir, directory));
}
}
