// The libc names of receiving and sending. Off fibers each is one test and a jump.

#include <sys/uio.h>
#include <unistd.h>

#include "passed_descriptors.hpp"
#include "receive.hpp"

using namespace ramie::monkey::detail;

extern "C" {

ssize_t recv(int fd, void* data, size_t size, int flags) {
    return on_fiber(family::socket) ? receive(fd, data, size, flags)
                                    : real::recv(fd, data, size, flags);
}

ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* length) {
    return on_fiber(family::socket) ? receive_from(fd, data, size, flags, from, length)
                                    : real::recvfrom(fd, data, size, flags, from, length);
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
    const ssize_t n = on_fiber(family::socket) ? receive_message(fd, message, flags)
                                               : real::recvmsg(fd, message, flags);
    if (n >= 0 && is_on(family::socket)) note_received(*message);
    return n;
}

ssize_t read(int fd, void* data, size_t size) {
    return on_fiber(family::socket) ? read_bytes(fd, data, size) : real::read(fd, data, size);
}

ssize_t readv(int fd, const iovec* parts, int count) {
    return on_fiber(family::socket) ? read_parts(fd, parts, count) : real::readv(fd, parts, count);
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
    return on_fiber(family::socket) ? send_bytes(fd, data, size, flags)
                                    : real::send(fd, data, size, flags);
}

ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
               socklen_t length) {
    return on_fiber(family::socket) ? send_to(fd, data, size, flags, to, length)
                                    : real::sendto(fd, data, size, flags, to, length);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    const ssize_t n = on_fiber(family::socket) ? send_message(fd, message, flags)
                                               : real::sendmsg(fd, message, flags);
    // Not before: only now is it sure that the message can be read.
    if (n >= 0 && is_on(family::socket)) note_passed(*message);
    return n;
}

ssize_t write(int fd, const void* data, size_t size) {
    return on_fiber(family::socket) ? write_bytes(fd, data, size) : real::write(fd, data, size);
}

ssize_t writev(int fd, const iovec* parts, int count) {
    return on_fiber(family::socket) ? write_parts(fd, parts, count)
                                    : real::writev(fd, parts, count);
}

// At the place where the file is they do what readv() and writev() do; elsewhere they never wait.

ssize_t preadv2(int fd, const iovec* parts, int count, off64_t offset, int flags) {
    return on_fiber(family::socket) && offset == -1 && flags == 0
               ? read_parts(fd, parts, count)
               : real::preadv2(fd, parts, count, offset, flags);
}

ssize_t pwritev2(int fd, const iovec* parts, int count, off64_t offset, int flags) {
    return on_fiber(family::socket) && offset == -1 && flags == 0
               ? write_parts(fd, parts, count)
               : real::pwritev2(fd, parts, count, offset, flags);
}

[[gnu::alias("preadv2")]] ssize_t preadv64v2(int fd, const iovec* parts, int count, off64_t offset,
                                             int flags);
[[gnu::alias("pwritev2")]] ssize_t pwritev64v2(int fd, const iovec* parts, int count,
                                               off64_t offset, int flags);

[[gnu::alias("read")]] ssize_t __read(int fd, void* data, size_t size);
[[gnu::alias("write")]] ssize_t __write(int fd, const void* data, size_t size);
[[gnu::alias("send")]] ssize_t __send(int fd, const void* data, size_t size, int flags);

// What a program compiled with _FORTIFY_SOURCE calls. A buffer that is too small is left to the
// checked original, which ends the process.

ssize_t __read_chk(int fd, void* data, size_t size, size_t room) {
    return on_fiber(family::socket) && size <= room ? read_bytes(fd, data, size)
                                                    : real::__read_chk(fd, data, size, room);
}

ssize_t __recv_chk(int fd, void* data, size_t size, size_t room, int flags) {
    return on_fiber(family::socket) && size <= room ? receive(fd, data, size, flags)
                                                    : real::__recv_chk(fd, data, size, room, flags);
}

ssize_t __recvfrom_chk(int fd, void* data, size_t size, size_t room, int flags, sockaddr* from,
                       socklen_t* length) {
    return on_fiber(family::socket) && size <= room
               ? receive_from(fd, data, size, flags, from, length)
               : real::__recvfrom_chk(fd, data, size, room, flags, from, length);
}
}
