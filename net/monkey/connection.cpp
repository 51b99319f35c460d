#include "connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

#include "accept.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

// A short read may be below the mark, with more behind it.
void note_low_water_mark(descriptor_facts& facts) noexcept {
    facts.has_low_water_mark = true;
    facts.short_read_counts = false;
}

// A listener that never had a timeout gives none to its connections: that saves asking for each.
void note_accepted(int fd, descriptor_facts& listener, int flags) noexcept {
    const descriptor_kind kind = listener.kind.load(std::memory_order_relaxed);
    note_created(fd, kind, flags);
    descriptor_facts* facts = facts_to_note(fd);
    if (facts == nullptr) return;
    if (listener.has_low_water_mark.load(std::memory_order_relaxed)) note_low_water_mark(*facts);
    if (listener.timeouts_untouched.load(std::memory_order_relaxed)) {
        facts->receive_timeout_ns = 0;
        facts->send_timeout_ns = 0;
        facts->timeouts_known = true;
    } else if (kind == descriptor_kind::tcp) {
        for (const direction each : {direction::read, direction::write})
            if (timeout_ns(listener, each) < 0) note_timeout(fd, each, -1, *facts);
    }
}

// A connection in the making that somebody shut down is unmade: another connect() would begin a new
// one. One that was refused is closed in both directions as well, and so tells of POLLRDHUP.
bool is_unmade(int fd) noexcept {
    constexpr short broken = POLLERR | POLLHUP;
    return ready_now(fd, POLLRDHUP) == broken;
}

int fail_unmade(int fd) noexcept {
    const int error = socket_option(fd, SO_ERROR);
    errno = error > 0 ? error : ECONNABORTED;
    return -1;
}

int try_connect(int fd, const sockaddr* address, socklen_t length) noexcept {
    const nonblocking_for_a_call mode(fd);
    return real::connect(fd, address, length);
}

// Waits for a connection that is being made. The kernel is asked again, and not for SO_ERROR: only
// so it takes note that the owner knows how it went, for the next connect(). `unfinished` is what
// the first attempt said, and what the owner is told at the timeout.
int finish_connect(int fd, const sockaddr* address, socklen_t length, descriptor_facts& facts,
                   int unfinished) noexcept {
    descriptor* d = descriptor_of(fd);
    if (d == nullptr) return -1;
    const std::uint32_t generation = d->generation;
    const deadline until = timeout_of(fd, direction::write, facts);
    for (;;) {
        d->clear(direction::write);
        const wake reason = judge(
            wait_descriptor(*d, fd, direction::write, until, waits_as::watcher, called_by::libc),
            *d, generation);
        if (reason != wake::granted && reason != wake::timed_out) return -1;
        if (is_unmade(fd)) return fail_unmade(fd);
        const int result = try_connect(fd, address, length);
        if (result == 0 || errno != EALREADY) return result;
        if (reason == wake::timed_out) {
            errno = unfinished;
            return -1;
        }
    }
}

// Each has two numbers, since 32-bit programs learned of 64-bit time.
bool is_receive_timeout(int name) noexcept {
    return name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW;
}
bool is_timeout(int name) noexcept {
    return is_receive_timeout(name) || name == SO_SNDTIMEO_OLD || name == SO_SNDTIMEO_NEW;
}

}  // namespace

int accept_connection(int fd, sockaddr* address, socklen_t* length, int flags) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr || !is_socket(kind_of(fd, *facts)))
        return real::accept4(fd, address, length, flags);
    // The kernel writes the length only with a connection, so that a retry passes it on unchanged.
    const auto made = wait_for(fd, direction::read, *facts, timeout_of(fd, direction::read, *facts),
                               0, [&]() -> ssize_t {
                                   const int taken = try_accept(fd, address, length, flags);
                                   if (taken >= 0 || errno != EAGAIN || !is_shut_down(fd))
                                       return taken;
                                   return real::accept4(fd, address, length, flags);
                               });
    if (made >= 0) note_accepted(static_cast<int>(made), *facts, flags);
    return static_cast<int>(made);
}

int connect_to(int fd, const sockaddr* address, socklen_t length) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr || !is_socket(kind_of(fd, *facts)) || wants_nonblocking(fd, *facts))
        return real::connect(fd, address, length);
    const int result = try_connect(fd, address, length);
    if (result == 0) return 0;
    // A local listener whose queue is full refuses for now, and sends no event when there is room.
    if (errno == EAGAIN && address->sa_family == AF_UNIX)
        return static_cast<int>(retry(fd, timeout_of(fd, direction::write, *facts),
                                      [&] { return ssize_t{try_connect(fd, address, length)}; }));
    if (errno != EINPROGRESS && errno != EALREADY) return result;
    return finish_connect(fd, address, length, *facts, errno);
}

void note_socket(int fd, int domain, int type, int protocol) noexcept {
    constexpr int type_mask = 0xf;
    const bool is_tcp = (domain == AF_INET || domain == AF_INET6) &&
                        (type & type_mask) == SOCK_STREAM &&
                        (protocol == 0 || protocol == IPPROTO_TCP);
    note_created(fd, is_tcp ? descriptor_kind::tcp : descriptor_kind::socket, type);
    if (descriptor_facts* facts = facts_to_note(fd)) {
        facts->receive_timeout_ns = 0;
        facts->send_timeout_ns = 0;
        facts->timeouts_known = true;
        facts->timeouts_untouched = true;
    }
}

void note_copy(int from, int to) noexcept {
    note_shared(from);
    reset_facts(to);
}

void note_closing(int fd) noexcept { forget(fd); }

void note_option(int fd, int level, int name, const void* value) noexcept {
    descriptor_facts* facts = facts_to_note(fd);
    if (facts == nullptr) return;
    if (level == SOL_SOCKET && name == SO_RCVLOWAT) note_low_water_mark(*facts);
    // From now on a short read may end at a record, with more behind it.
    if (level == IPPROTO_TCP && name == TCP_ULP) facts->short_read_counts = false;
    if (level == SOL_SOCKET && is_timeout(name)) {
        timeval set{};
        std::memcpy(&set, value, sizeof set);
        note_timeout(fd, is_receive_timeout(name) ? direction::read : direction::write, set.tv_sec,
                     *facts);
    }
    facts->simple = 0;
}

}  // namespace ramie::monkey::detail
