#include "descriptor_kind.hpp"

#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <cerrno>

namespace ramie::monkey::detail {

namespace {

int socket_option(int fd, int name) noexcept {
    int value = -1;
    socklen_t length = sizeof value;
    return real::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

descriptor_kind look_up(int fd) noexcept {
    struct stat status;
    if (fstat(fd, &status) != 0) return descriptor_kind::unknown;
    const auto type = status.st_mode & S_IFMT;
    if (type == S_IFSOCK)
        return socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP ? descriptor_kind::tcp
                                                             : descriptor_kind::socket;
    if (type == S_IFREG || type == S_IFDIR || type == S_IFBLK) return descriptor_kind::plain;
    return descriptor_kind::pipe;
}

std::int64_t ask_timeout(int fd, int name) noexcept {
    timeval value{};
    socklen_t length = sizeof value;
    if (real::getsockopt(fd, SOL_SOCKET, name, &value, &length) != 0) return 0;
    return value.tv_sec * 1'000'000'000 + value.tv_usec * 1'000;
}

}  // namespace

descriptor_kind kind_of(int fd, descriptor_facts& facts) noexcept {
    descriptor_kind kind = facts.kind.load(std::memory_order_relaxed);
    if (kind != descriptor_kind::unknown) [[likely]]
        return kind;
    const int saved = errno;
    kind = look_up(fd);
    facts.kind.store(kind, std::memory_order_relaxed);
    facts.short_read_counts.store(kind == descriptor_kind::tcp, std::memory_order_relaxed);
    errno = saved;
    return kind;
}

bool wants_nonblocking(int fd, descriptor_facts& facts) noexcept {
    if (is_known_blocking(facts) || facts.made_nonblocking.load(std::memory_order_relaxed))
        return false;
    const int saved = errno;
    const int flags = real::fcntl(fd, F_GETFL, nullptr);
    errno = saved;
    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

// The bit is set before the facts are looked at, and whoever changes one clears the bit after:
// whatever the order, a change is not missed.
void learn_simple(direction dir, descriptor_facts& facts) noexcept {
    const auto bit = static_cast<std::uint8_t>(dir);
    facts.simple.fetch_or(bit);
    const auto& timeout = dir == direction::read ? facts.receive_timeout_ns : facts.send_timeout_ns;
    const bool is_simple = facts.kind == descriptor_kind::tcp && is_known_blocking(facts) &&
                           facts.timeouts_known && timeout == 0 && facts.short_read_counts;
    if (!is_simple) facts.simple.fetch_and(static_cast<std::uint8_t>(~bit));
}

deadline timeout_of(int fd, direction dir, descriptor_facts& facts) noexcept {
    if (!facts.timeouts_known.load(std::memory_order_relaxed)) {
        const int saved = errno;
        facts.receive_timeout_ns = ask_timeout(fd, SO_RCVTIMEO);
        facts.send_timeout_ns = ask_timeout(fd, SO_SNDTIMEO);
        facts.timeouts_known = true;
        errno = saved;
    }
    const std::int64_t ns =
        (dir == direction::read ? facts.receive_timeout_ns : facts.send_timeout_ns)
            .load(std::memory_order_relaxed);
    return ns == 0 ? deadline::never() : deadline(std::chrono::nanoseconds(ns));
}

void note_created(int fd, descriptor_kind kind, int flags) noexcept {
    static_assert(SOCK_NONBLOCK == O_NONBLOCK);
    reset_facts(fd, kind);
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr) return;
    facts->fork_epoch.store(fork_epoch(), std::memory_order_relaxed);
    facts->blocking_known.store((flags & O_NONBLOCK) == 0, std::memory_order_relaxed);
}

void note_shared(int fd) noexcept {
    descriptor_facts* const facts = facts_of(fd);
    if (facts == nullptr) return;
    facts->blocking_known = false;
    facts->simple = 0;
}

void note_mode_set(int fd) noexcept {
    note_shared(fd);
    if (descriptor_facts* facts = facts_of(fd)) facts->made_nonblocking = false;
}

nonblocking_for_a_call::nonblocking_for_a_call(int fd) noexcept
    : fd_(fd), flags_(real::fcntl(fd, F_GETFL, nullptr)) {
    if (flags_ >= 0)
        real::fcntl(fd_, F_SETFL, reinterpret_cast<void*>(std::intptr_t{flags_ | O_NONBLOCK}));
}

nonblocking_for_a_call::~nonblocking_for_a_call() {
    const int saved = errno;
    if (flags_ >= 0) real::fcntl(fd_, F_SETFL, reinterpret_cast<void*>(std::intptr_t{flags_}));
    errno = saved;
}

}  // namespace ramie::monkey::detail
