#include "receive.hpp"

#include <functional>

#include "file.hpp"
#include "simple.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

std::size_t total_of(const iovec* parts, std::size_t count) noexcept {
    return part_cursor(parts, count).left();
}

bool is_stream(int fd) noexcept { return socket_option(fd, SO_TYPE) == SOCK_STREAM; }

// `attempt(flags)`, the plain call, without waiting.
template <class Attempt>
ssize_t attempt_receive(int fd, int flags, Attempt attempt) noexcept {
    const ssize_t n = attempt(flags | MSG_DONTWAIT);
    if (n >= 0 || errno != EAGAIN || !is_shut_down(fd)) [[likely]]
        return n;
    return attempt(flags);
}

// A receive on a socket that may wait: `attempt(flags)` is the plain call.
template <class Attempt>
ssize_t receive_when_ready(int fd, std::size_t wanted, int flags, descriptor_facts& facts,
                           Attempt attempt) noexcept {
    // What looks and takes nothing leaves the socket as ready as it was.
    const bool short_counts =
        facts.short_read_counts.load(std::memory_order_relaxed) && (flags & MSG_PEEK) == 0;
    return wait_for(fd, direction::read, facts, timeout_of(fd, direction::read, facts),
                    short_counts ? wanted : 0, [&] { return attempt_receive(fd, flags, attempt); });
}

bool brought_descriptors(const msghdr& m) noexcept {
    auto* const header = const_cast<msghdr*>(&m);
    for (cmsghdr* c = CMSG_FIRSTHDR(header); c != nullptr; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) return true;
    return m.msg_control != nullptr && (m.msg_flags & MSG_CTRUNC) != 0;
}

// Receives one piece after the other into what the caller's message describes: the address comes
// with the first, control data with any, and passed descriptors end it, as in the kernel.
class piecewise {
  public:
    piecewise(int fd, msghdr& message, int flags) noexcept
        : fd_(fd), flags_(flags), asked_(message), message_(message) {}

    ssize_t operator()(iovec* parts, std::size_t count) noexcept {
        if (over_ || (!first_ && has_pending_error(fd_))) return 0;
        msghdr piece = asked_;
        if (!first_) piece.msg_name = nullptr;
        piece.msg_iov = parts;
        piece.msg_iovlen = count;
        const ssize_t n = real::recvmsg(fd_, &piece, flags_);
        if (n >= 0) take(piece);
        return n;
    }

  private:
    void take(const msghdr& piece) noexcept {
        if (first_) message_.msg_namelen = piece.msg_namelen;
        if (first_ || piece.msg_controllen != 0) message_.msg_controllen = piece.msg_controllen;
        message_.msg_flags = piece.msg_flags;
        over_ = brought_descriptors(piece);
        first_ = false;
    }

    int fd_;
    int flags_;
    const msghdr asked_;
    msghdr& message_;
    bool first_ = true;
    bool over_ = false;
};

// What there is of a stream, but no less than `enough`.
ssize_t receive_enough(int fd, msghdr& message, int flags, std::size_t enough,
                       descriptor_facts& facts) noexcept {
    piecewise next(fd, message, (flags & ~MSG_WAITALL) | MSG_DONTWAIT);
    return transfer_all(fd, direction::read, facts, timeout_of(fd, direction::read, facts),
                        {message.msg_iov, message.msg_iovlen}, 0, enough,
                        facts.short_read_counts.load(std::memory_order_relaxed), std::ref(next));
}

// Looked at from the start each time, until `enough` is there or no more will come.
ssize_t look_at_enough(int fd, msghdr& message, int flags, std::size_t enough,
                       descriptor_facts& facts) noexcept {
    const msghdr asked = message;
    const auto look = [&] {
        message = asked;
        return real::recvmsg(fd, &message, (flags & ~MSG_WAITALL) | MSG_DONTWAIT);
    };
    const deadline until = timeout_of(fd, direction::read, facts);
    const ssize_t n = wait_for(fd, direction::read, facts, until, 0, [&]() -> ssize_t {
        const ssize_t seen = look();
        if (seen <= 0 || static_cast<std::size_t>(seen) >= enough) return seen;
        if (ready_now(fd, POLLRDHUP) != 0) return seen;
        errno = EAGAIN;
        return -1;
    });
    // The time is up: what there is.
    return n < 0 && errno == EAGAIN ? look() : n;
}

// Less than this is not enough for a stream that may wait. A local socket shows what there is at
// once.
std::size_t least_of(int fd, std::size_t wanted, int flags, descriptor_facts& facts) noexcept {
    const bool all = (flags & MSG_WAITALL) != 0;
    if ((!all && !facts.has_low_water_mark.load(std::memory_order_relaxed)) || !is_stream(fd) ||
        ((flags & MSG_PEEK) != 0 && kind_of(fd, facts) != descriptor_kind::tcp) ||
        wants_nonblocking(fd, facts))
        return 1;
    const int mark = all ? -1 : socket_option(fd, SO_RCVLOWAT);
    return mark < 0 ? wanted : std::min(wanted, static_cast<std::size_t>(mark));
}

// True for a request that is answered at once, whatever the mode.
bool never_waits(int fd, int flags) noexcept {
    if ((flags & MSG_DONTWAIT) != 0) return true;
    // To the others these flags mean nothing.
    if ((flags & MSG_OOB) != 0 && is_stream(fd)) return true;
    return (flags & MSG_ERRQUEUE) != 0 && socket_option(fd, SO_DOMAIN) != AF_UNIX;
}

// What all receiving calls do: `plain(flags)` is the libc call, `as_message` the same as recvmsg.
template <class Plain, class AsMessage>
ssize_t receive_on_fiber(int fd, std::size_t wanted, int flags, Plain plain,
                         AsMessage as_message) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr || !is_socket(kind_of(fd, *facts)) || never_waits(fd, flags))
        return plain(flags);
    const std::size_t least = least_of(fd, std::min(wanted, most_in_a_call), flags, *facts);
    if (least <= 1) {
        learn_simple(fd, direction::read, *facts);
        return receive_when_ready(fd, wanted, flags, *facts, plain);
    }
    return as_message([&](msghdr& m) {
        return (flags & MSG_PEEK) != 0 ? look_at_enough(fd, m, flags, least, *facts)
                                       : receive_enough(fd, m, flags, least, *facts);
    });
}

ssize_t read_pipe(int fd, const iovec* parts, int count, descriptor_facts& facts) noexcept {
    return wait_for(fd, direction::read, facts, deadline::never(), 0,
                    [&] { return try_read_parts(fd, parts, count); });
}

[[gnu::noinline]] ssize_t receive_the_long_way(int fd, void* data, std::size_t size,
                                               int flags) noexcept {
    return receive_on_fiber(
        fd, size, flags, [=](int f) { return real::recv(fd, data, size, f); },
        [=](auto run) {
            iovec part{data, std::min(size, most_in_a_call)};
            msghdr message{};
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            return run(message);
        });
}

}  // namespace

ssize_t receive(int fd, void* data, std::size_t size, int flags) noexcept {
    descriptor* const d = simple_descriptor(fd, direction::read);
    if (d == nullptr || flags != 0 || !is_simple_size(size))
        return receive_the_long_way(fd, data, size, flags);
    return transfer_receive_for_libc(*d, fd, data, size, real::recv.address());
}

ssize_t receive_from(int fd, void* data, std::size_t size, int flags, sockaddr* from,
                     socklen_t* length) noexcept {
    // The kernel writes the length only when it delivers, so that a retry passes it on unchanged.
    return receive_on_fiber(
        fd, size, flags, [=](int f) { return real::recvfrom(fd, data, size, f, from, length); },
        [=](auto run) -> ssize_t {
            iovec part{data, std::min(size, most_in_a_call)};
            msghdr message{};
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            // The kernel asks for the length when it has received.
            const bool has_length = from != nullptr && may_be_read(length, sizeof *length);
            message.msg_name = has_length ? from : nullptr;
            message.msg_namelen = has_length ? *length : 0;
            const ssize_t n = run(message);
            if (n < 0 || from == nullptr) return n;
            if (!has_length) {
                errno = EFAULT;
                return -1;
            }
            *length = message.msg_namelen;
            return n;
        });
}

ssize_t receive_message(int fd, msghdr* message, int flags) noexcept {
    if (!may_be_read(message, sizeof *message) || !are_valid(message->msg_iov, message->msg_iovlen))
        return real::recvmsg(fd, message, flags);
    return receive_on_fiber(
        fd, total_of(message->msg_iov, message->msg_iovlen), flags,
        [=](int f) { return real::recvmsg(fd, message, f); },
        [=](auto run) { return run(*message); });
}

ssize_t read_bytes(int fd, void* data, std::size_t size) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr || size == 0 || size > SSIZE_MAX) return real::read(fd, data, size);
    descriptor_kind kind = kind_of(fd, *facts);
    while (is_socket(kind)) {
        const ssize_t n = receive(fd, data, size, 0);
        if (!was_replaced(fd, n)) return n;
        kind = learn_kind(fd, *facts);
    }
    if (kind == descriptor_kind::plain)
        return transfer_plain([=] { return real::read(fd, data, size); });
    if (kind != descriptor_kind::pipe) return real::read(fd, data, size);
    const iovec part{data, size};
    return read_pipe(fd, &part, 1, *facts);
}

ssize_t read_parts(int fd, const iovec* parts, int count) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr || count <= 0 || !are_valid(parts, static_cast<std::size_t>(count)))
        return real::readv(fd, parts, count);
    const std::size_t wanted = total_of(parts, static_cast<std::size_t>(count));
    descriptor_kind kind = kind_of(fd, *facts);
    while (is_socket(kind) && wanted != 0) {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts);
        message.msg_iovlen = static_cast<std::size_t>(count);
        const ssize_t n = receive_message(fd, &message, 0);
        if (!was_replaced(fd, n)) return n;
        kind = learn_kind(fd, *facts);
    }
    if (kind == descriptor_kind::plain)
        return transfer_plain([=] { return real::readv(fd, parts, count); });
    if (kind != descriptor_kind::pipe || wanted == 0) return real::readv(fd, parts, count);
    return read_pipe(fd, parts, count, *facts);
}

}  // namespace ramie::monkey::detail
