#include "ramie/net/stream.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "socket_calls.hpp"

namespace ramie::net {

using ramie::detail::descriptor;
using ramie::detail::descriptor_of;
using ramie::detail::transfer;
using ramie::detail::transfer_receive;

namespace {

// A transfer by the only fiber that may do it.
template <class Transfer>
transferred take_turn(detail::turn& turn, int fd, Transfer transfer) {
    if (turn.taken) [[unlikely]] {
        errno = fd < 0 ? EBADF : EBUSY;
        return transferred(-1);
    }
    require_fiber("reading or writing ");
    descriptor* const d = descriptor_of(fd);
    if (d == nullptr) [[unlikely]]
        return transferred(wake::closed);
    turn.taken = true;
    const transferred got = transfer(*d);
    if (!is_closed(got)) [[likely]]
        turn.taken = false;
    return got;
}

ssize_t count_or_interrupt(const transferred& got) {
    if (got.reason() == wake::interrupted) ramie::detail::raise_interrupt();
    return got.count();
}

}  // namespace

std::size_t tcp_stream::read_some(std::span<std::byte> buffer, deadline until) {
    if (buffer.empty()) return 0;  // the kernel would wait for a byte
    const int fd = native_handle();
    const transferred got = take_turn(reading_, fd, [=](descriptor& d) {
        return transfer_receive(d, fd, buffer.data(), buffer.size(), until, &::recv);
    });
    if (got.failed()) [[unlikely]]
        fail(got, "read from ", peer_);
    return static_cast<std::size_t>(got.count());
}

std::size_t tcp_stream::write_some(std::span<const std::byte> data, deadline until) {
    const int fd = native_handle();
    const transferred got = take_turn(writing_, fd, [=](descriptor& d) {
        return transfer(d, fd, direction::write, data.size(), until, [=] {
            return ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        });
    });
    if (got.failed()) [[unlikely]]
        fail(got, "write to ", peer_);
    return static_cast<std::size_t>(got.count());
}

ssize_t tcp_stream::read_parts(const iovec* parts, std::size_t count, std::size_t bytes) {
    const int fd = native_handle();
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return count_or_interrupt(take_turn(reading_, fd, [&](descriptor& d) {
        return transfer(d, fd, direction::read, bytes, {},
                        [&] { return ::recvmsg(fd, &message, MSG_DONTWAIT); });
    }));
}

ssize_t tcp_stream::write_parts(const iovec* parts, std::size_t count, std::size_t bytes) {
    const int fd = native_handle();
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return count_or_interrupt(take_turn(writing_, fd, [&](descriptor& d) {
        return transfer(d, fd, direction::write, bytes, {},
                        [&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
    }));
}

void tcp_stream::read_exactly(std::span<std::byte> buffer, deadline until) {
    for (std::size_t done = 0; done != buffer.size();) {
        const std::size_t n = read_some(buffer.subspan(done), until);
        if (n == 0)
            throw end_of_stream("read from " + peer_.to_string() + ": the stream ended after " +
                                    std::to_string(done) + " of " + std::to_string(buffer.size()) +
                                    " bytes",
                                done);
        done += n;
    }
}

void tcp_stream::write_all(std::span<const std::byte> data, deadline until) {
    while (!data.empty()) data = data.subspan(write_some(data, until));
}

}  // namespace ramie::net
