#include "ramie/net/stream.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "socket_calls.hpp"

namespace ramie::net {

namespace {

// A transfer by the only fiber that may do it.
template <class Try>
transferred take_turn(detail::turn& turn, int fd, direction dir, std::size_t wanted, deadline until,
                      Try attempt) {
    if (turn.taken) [[unlikely]] {
        errno = fd < 0 ? EBADF : EBUSY;
        return {-1, wake::granted};
    }
    require_fiber("reading or writing ");
    turn.taken = true;
    const transferred got = ramie::detail::transfer(fd, dir, wanted, until, attempt);
    if (got.count >= 0 || !is_closed(got)) [[likely]]
        turn.taken = false;
    return got;
}

ssize_t count_or_interrupt(const transferred& got) {
    if (got.reason == wake::interrupted) ramie::detail::raise_interrupt();
    return got.count;
}

}  // namespace

std::size_t tcp_stream::read_some(std::span<std::byte> buffer, deadline until) {
    if (buffer.empty()) return 0;  // the kernel would wait for a byte
    const int fd = native_handle();
    const transferred got = take_turn(reading_, fd, direction::read, buffer.size(), until, [=] {
        return ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    });
    if (got.count < 0) [[unlikely]]
        fail(got, "read from ", peer_);
    return static_cast<std::size_t>(got.count);
}

std::size_t tcp_stream::write_some(std::span<const std::byte> data, deadline until) {
    const int fd = native_handle();
    const transferred got = take_turn(writing_, fd, direction::write, data.size(), until, [=] {
        return ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    if (got.count < 0) [[unlikely]]
        fail(got, "write to ", peer_);
    return static_cast<std::size_t>(got.count);
}

ssize_t tcp_stream::read_parts(const iovec* parts, std::size_t count, std::size_t bytes) {
    const int fd = native_handle();
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return count_or_interrupt(take_turn(reading_, fd, direction::read, bytes, {}, [&message, fd] {
        return ::recvmsg(fd, &message, MSG_DONTWAIT);
    }));
}

ssize_t tcp_stream::write_parts(const iovec* parts, std::size_t count, std::size_t bytes) {
    const int fd = native_handle();
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return count_or_interrupt(take_turn(writing_, fd, direction::write, bytes, {}, [&message, fd] {
        return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
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
