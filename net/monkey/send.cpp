#include <limits.h>

#include "file.hpp"
#include "receive.hpp"
#include "simple.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

bool must_not_wait(descriptor_facts* facts, int fd, int flags) noexcept {
    return facts == nullptr || (flags & MSG_DONTWAIT) != 0 || !is_socket(kind_of(fd, *facts));
}

// The plain call once, when there is room. `wanted` as for transfer().
template <class Attempt>
ssize_t send_when_ready(int fd, std::size_t wanted, int flags, descriptor_facts& facts,
                        deadline until, Attempt attempt) noexcept {
    return wait_for(fd, direction::write, facts, until, wanted,
                    [&] { return attempt(flags | MSG_DONTWAIT); });
}

// What is left after a first part went out. An error now belongs to the next call: no signal.
ssize_t send_rest(int fd, part_cursor cursor, ssize_t done, int flags, descriptor_facts& facts,
                  deadline until) noexcept {
    return transfer_all(fd, direction::write, facts, until, cursor, done, most_in_a_call, true,
                        [=](iovec* parts, std::size_t count) -> ssize_t {
                            if (has_pending_error(fd)) return 0;
                            msghdr message{};
                            message.msg_iov = parts;
                            message.msg_iovlen = count;
                            return real::sendmsg(fd, &message, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
                        });
}

// A blocking send moves everything. A datagram goes as a whole in the first try.
template <class Attempt>
ssize_t send_on_fiber(int fd, const iovec* parts, std::size_t count, int flags,
                      Attempt plain) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (must_not_wait(facts, fd, flags)) return plain(flags);
    learn_simple(fd, direction::write, *facts);
    part_cursor cursor(parts, count);
    const deadline until = timeout_of(fd, direction::write, *facts);
    const ssize_t n = send_when_ready(fd, cursor.left(), flags, *facts, until, plain);
    if (n < 0 || static_cast<std::size_t>(n) >= cursor.left() || wants_nonblocking(fd, *facts))
        return n;
    cursor.advance(static_cast<std::size_t>(n));
    return send_rest(fd, cursor, n, flags, *facts, until);
}

ssize_t write_pipe(int fd, const iovec* parts, int count, descriptor_facts& facts) noexcept {
    part_cursor all(parts, static_cast<std::size_t>(count));
    ssize_t done = 0;
    // Up to PIPE_BUF bytes go as one: not in windows. A terminal may have less room.
    if (all.left() <= PIPE_BUF) {
        done = wait_for(fd, direction::write, facts, deadline::never(), 0,
                        [&] { return try_write_parts(fd, parts, count); });
        if (done < 0 || static_cast<std::size_t>(done) >= all.left()) return done;
        all.advance(static_cast<std::size_t>(done));
    }
    return transfer_all(fd, direction::write, facts, deadline::never(), all, done, most_in_a_call,
                        false, [fd](iovec* window, std::size_t n) {
                            return try_write_parts(fd, window, static_cast<int>(n));
                        });
}

// A local receiver whose queue is full sends no event to who is not connected to it.
bool is_local(const void* address) noexcept {
    return static_cast<const sockaddr*>(address)->sa_family == AF_UNIX;
}

// The same for a datagram to `address`, which may be null.
template <class Attempt>
ssize_t send_on_fiber_to(int fd, const void* address, const iovec* parts, std::size_t count,
                         int flags, Attempt plain) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (address == nullptr || must_not_wait(facts, fd, flags) ||
        kind_of(fd, *facts) == descriptor_kind::tcp)
        return send_on_fiber(fd, parts, count, flags, plain);
    take_turn(fd, *facts);
    const auto attempt = [&] { return plain(flags | MSG_DONTWAIT); };
    const ssize_t n = attempt();
    if (n >= 0 || errno != EAGAIN || wants_nonblocking(fd, *facts)) return n;
    if (!is_local(address)) return send_on_fiber(fd, parts, count, flags, plain);
    return retry(fd, timeout_of(fd, direction::write, *facts), attempt);
}

// `sent`: what went out already.
[[gnu::noinline]] ssize_t send_simple_rest(descriptor& d, int fd, const void* data,
                                           std::size_t size, int flags, ssize_t sent) noexcept {
    if (sent < 0) return sent;
    const iovec part{const_cast<void*>(data), size};
    part_cursor cursor(&part, 1);
    cursor.advance(static_cast<std::size_t>(sent));
    return send_rest(fd, cursor, sent, flags, *d.facts, deadline::never());
}

[[gnu::noinline]] ssize_t send_simply_later(descriptor& d, int fd, const void* data,
                                            std::size_t size, int flags) noexcept {
    const auto attempt = [=] { return real::send(fd, data, size, flags | MSG_DONTWAIT); };
    const ssize_t n =
        transfer_later<called_by::libc>(d, fd, direction::write, size, deadline::never(), attempt)
            .count();
    return send_simple_rest(d, fd, data, size, flags, n);
}

[[gnu::noinline]] ssize_t send_the_long_way(int fd, const void* data, std::size_t size,
                                            int flags) noexcept {
    const iovec part{const_cast<void*>(data), size};
    return send_on_fiber(fd, &part, 1, flags, [=](int f) { return real::send(fd, data, size, f); });
}

}  // namespace

ssize_t send_bytes(int fd, const void* data, std::size_t size, int flags) noexcept {
    descriptor* const d = simple_descriptor(fd, direction::write);
    if (d == nullptr || (flags & ~MSG_NOSIGNAL) != 0 || !is_simple_size(size))
        return send_the_long_way(fd, data, size, flags);
    const auto attempt = [=] { return real::send(fd, data, size, flags | MSG_DONTWAIT); };
    ssize_t n;
    if (!try_at_once(*d, direction::write, size, n, attempt)) [[unlikely]]
        return send_simply_later(*d, fd, data, size, flags);
    if (static_cast<std::size_t>(n) == size) [[likely]]
        return n;
    return send_simple_rest(*d, fd, data, size, flags, n);
}

ssize_t send_to(int fd, const void* data, std::size_t size, int flags, const sockaddr* to,
                socklen_t length) noexcept {
    const iovec part{const_cast<void*>(data), size};
    return send_on_fiber_to(fd, to, &part, 1, flags,
                            [=](int f) { return real::sendto(fd, data, size, f, to, length); });
}

ssize_t send_message(int fd, const msghdr* message, int flags) noexcept {
    if (!may_be_read(message, sizeof *message) || !are_valid(message->msg_iov, message->msg_iovlen))
        return real::sendmsg(fd, message, flags);
    return send_on_fiber_to(fd, message->msg_name, message->msg_iov, message->msg_iovlen, flags,
                            [=](int f) { return real::sendmsg(fd, message, f); });
}

ssize_t write_bytes(int fd, const void* data, std::size_t size) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr || size > SSIZE_MAX) return real::write(fd, data, size);
    descriptor_kind kind = kind_of(fd, *facts);
    while (is_socket(kind)) {
        const ssize_t n = send_bytes(fd, data, size, 0);
        if (!was_replaced(fd, n)) return n;
        kind = learn_kind(fd, *facts);
    }
    if (kind == descriptor_kind::plain)
        return transfer_plain([=] { return real::write(fd, data, size); });
    if (kind != descriptor_kind::pipe || size == 0) return real::write(fd, data, size);
    const iovec part{const_cast<void*>(data), size};
    return write_pipe(fd, &part, 1, *facts);
}

ssize_t write_parts(int fd, const iovec* parts, int count) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr || count <= 0 || !are_valid(parts, static_cast<std::size_t>(count)))
        return real::writev(fd, parts, count);
    const std::size_t n = static_cast<std::size_t>(count);
    descriptor_kind kind = kind_of(fd, *facts);
    // Unlike write(), it sends no empty datagram.
    while (is_socket(kind) && part_cursor(parts, n).left() != 0) {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts);
        message.msg_iovlen = n;
        const ssize_t sent = send_message(fd, &message, 0);
        if (!was_replaced(fd, sent)) return sent;
        kind = learn_kind(fd, *facts);
    }
    if (kind == descriptor_kind::plain)
        return transfer_plain([=] { return real::writev(fd, parts, count); });
    if (kind == descriptor_kind::pipe) return write_pipe(fd, parts, count, *facts);
    return real::writev(fd, parts, count);
}

}  // namespace ramie::monkey::detail
