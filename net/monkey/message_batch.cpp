// recvmmsg and sendmmsg: what is there at once goes in one call, what must be waited for singly.

#include <sys/socket.h>

#include "passed_descriptors.hpp"
#include "probe.hpp"
#include "receive.hpp"
#include "sleep.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

// The kernel looks no further.
constexpr unsigned longest_batch = UIO_MAXIOV;

bool is_for_us(int fd, const mmsghdr* messages, unsigned count) noexcept {
    const descriptor_facts* const facts = facts_of(fd);
    return facts != nullptr && count != 0 &&
           is_socket(kind_of(fd, const_cast<descriptor_facts&>(*facts))) &&
           may_be_read(messages, count * sizeof *messages);
}

// Between two messages: who gives others a turn does it now, and not after this look.
bool goes_on_with(const meaning& file) noexcept {
    if (transfers_in_turn >= transfers_per_turn) give_way();
    return file.holds();
}

// Receives further messages of which the first has come, without waiting; how many.
unsigned take_what_is_there(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
    if (count == 0 || has_pending_error(fd)) return 0;
    const int n = real::recvmmsg(fd, messages, count, flags | MSG_DONTWAIT, nullptr);
    return n < 0 ? 0 : static_cast<unsigned>(n);
}

// -1, or 0 with the length in the message.
int receive_one(int fd, mmsghdr& message, int flags) noexcept {
    const ssize_t n = receive_message(fd, &message.msg_hdr, flags);
    if (n < 0) return -1;
    message.msg_len = static_cast<unsigned>(n);
    return 0;
}

// `until`: looked at after each message only, as in the kernel.
int receive_batch(int fd, mmsghdr* messages, unsigned count, int flags, deadline until) noexcept {
    const bool only_first_waits = (flags & MSG_WAITFORONE) != 0;
    flags &= ~MSG_WAITFORONE;
    unsigned done = 0;
    const meaning file(*facts_of(fd));
    while (done != count) {
        // An error that comes after a message belongs to the next call.
        if (done != 0 && !goes_on_with(file)) break;
        if (done != 0 && (only_first_waits || until.expired() || has_pending_error(fd))) break;
        if (receive_one(fd, messages[done], flags) != 0) break;
        ++done;
        if ((messages[done - 1].msg_hdr.msg_flags & MSG_OOB) != 0) break;
        if (until.is_never())
            done += take_what_is_there(fd, messages + done, count - done, flags);
        else if (only_first_waits)
            flags |= MSG_DONTWAIT;
    }
    return done == 0 ? -1 : static_cast<int>(done);
}

int receive_messages(int fd, mmsghdr* messages, unsigned count, int flags,
                     timespec* timeout) noexcept {
    count = std::min(count, longest_batch);
    if (!is_for_us(fd, messages, count) ||
        (timeout != nullptr && (!may_be_read(timeout, sizeof *timeout) || !is_valid(*timeout))))
        return real::recvmmsg(fd, messages, count, flags, timeout);
    const deadline until = deadline_after(timeout);
    const int n = receive_batch(fd, messages, count, flags, until);
    if (timeout != nullptr && n > 0) {
        const std::int64_t left = std::max<std::int64_t>(until.nanoseconds() - now_ns(), 0);
        *timeout = {left / 1'000'000'000, left % 1'000'000'000};
    }
    return n;
}

// Datagrams for which there is room; how many, or -1. A stream's message may go in part.
int send_what_fits(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
    if (socket_option(fd, SO_TYPE) == SOCK_STREAM || has_pending_error(fd)) return 0;
    const int n = real::sendmmsg(fd, messages, count, flags | MSG_DONTWAIT);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

int send_messages(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
    count = std::min(count, longest_batch);
    if (!is_for_us(fd, messages, count)) return real::sendmmsg(fd, messages, count, flags);
    const meaning file(*facts_of(fd));
    for (unsigned done = 0; done != count;) {
        if (done != 0 && !goes_on_with(file)) return static_cast<int>(done);
        const int sent = send_what_fits(fd, messages + done, count - done, flags);
        if (sent < 0) return done == 0 ? -1 : static_cast<int>(done);
        done += static_cast<unsigned>(sent);
        if (done == count) break;
        if (done != 0 && has_pending_error(fd)) return static_cast<int>(done);
        const ssize_t n = send_message(fd, &messages[done].msg_hdr, flags);
        if (n < 0) return done == 0 ? -1 : static_cast<int>(done);
        messages[done++].msg_len = static_cast<unsigned>(n);
    }
    return static_cast<int>(count);
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
    const int n = on_fiber(family::socket) ? receive_messages(fd, messages, count, flags, timeout)
                                           : real::recvmmsg(fd, messages, count, flags, timeout);
    if (n > 0 && is_on(family::socket))
        for (int i = 0; i != n; ++i) note_received(messages[i].msg_hdr);
    return n;
}

int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
    const int n = on_fiber(family::socket) ? send_messages(fd, messages, count, flags)
                                           : real::sendmmsg(fd, messages, count, flags);
    if (n > 0 && is_on(family::socket))
        for (int i = 0; i != n; ++i) note_passed(messages[i].msg_hdr);
    return n;
}
}
