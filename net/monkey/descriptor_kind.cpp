#include "descriptor_kind.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

#include "made_nonblocking.hpp"

namespace ramie::monkey::detail {

bool is_patched_process() noexcept {
    return getpid() == patched_process.load(std::memory_order_relaxed);
}

int socket_option(int fd, int name) noexcept {
    int value = -1;
    socklen_t length = sizeof value;
    return real::getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

mode_t file_type(int fd) noexcept {
    const int saved = errno;
    struct stat status;
    const mode_t type = fstat(fd, &status) == 0 ? status.st_mode & S_IFMT : 0;
    errno = saved;
    return type;
}

namespace {

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

// One that delivers records, as kernel TLS does.
bool has_layer(int fd) noexcept {
    char name[16];
    socklen_t length = sizeof name;
    return real::getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &length) == 0 && length != 0;
}

std::int64_t ask_timeout(int fd, int name) noexcept {
    timeval value{};
    socklen_t length = sizeof value;
    if (real::getsockopt(fd, SOL_SOCKET, name, &value, &length) != 0) return 0;
    return value.tv_sec * 1'000'000'000 + value.tv_usec * 1'000;
}

void learn_timeouts(int fd, descriptor_facts& facts) noexcept {
    if (facts.timeouts_known.load(std::memory_order_relaxed)) return;
    facts.receive_timeout_ns = ask_timeout(fd, SO_RCVTIMEO);
    facts.send_timeout_ns = ask_timeout(fd, SO_SNDTIMEO);
    facts.timeouts_known = true;
}

}  // namespace

descriptor_kind kind_of(int fd, descriptor_facts& facts) noexcept {
    const descriptor_kind known = facts.kind.load(std::memory_order_relaxed);
    return known != descriptor_kind::unknown ? known : learn_kind(fd, facts);
}

descriptor_kind learn_kind(int fd, descriptor_facts& facts) noexcept {
    const int saved = errno;
    const descriptor_kind kind = look_up(fd);
    if (!owns_table()) {
        errno = saved;
        return kind;
    }
    facts.kind.store(kind, std::memory_order_relaxed);
    const bool has_mark = is_socket(kind) && socket_option(fd, SO_RCVLOWAT) > 1;
    facts.has_low_water_mark.store(has_mark, std::memory_order_relaxed);
    facts.short_read_counts.store(kind == descriptor_kind::tcp && !has_mark && !has_layer(fd),
                                  std::memory_order_relaxed);
    errno = saved;
    return kind;
}

bool wants_nonblocking(int fd, descriptor_facts& facts) noexcept {
    if (is_known_blocking(facts)) return false;
    const int saved = errno;
    const int flags = real::fcntl(fd, F_GETFL, nullptr);
    errno = saved;
    return flags >= 0 && (flags & O_NONBLOCK) != 0 && !is_made_nonblocking(fd);
}

// The bit is set before the facts are looked at, and whoever changes one clears the bit after:
// whatever the order, a change is not missed.
void learn_simple(int fd, direction dir, descriptor_facts& facts) noexcept {
    const auto bit = static_cast<std::uint8_t>(dir);
    int end = end_of_simple.load();
    while (end <= fd && !end_of_simple.compare_exchange_weak(end, fd + 1)) {
    }
    facts.simple.fetch_or(bit);
    const auto& timeout = dir == direction::read ? facts.receive_timeout_ns : facts.send_timeout_ns;
    const bool is_simple = facts.kind == descriptor_kind::tcp && is_known_blocking(facts) &&
                           facts.timeouts_known && timeout == 0 && facts.short_read_counts &&
                           !facts.has_low_water_mark;
    if (!is_simple) facts.simple.fetch_and(static_cast<std::uint8_t>(~bit));
}

deadline timeout_of(int fd, direction dir, descriptor_facts& facts) noexcept {
    if (!facts.timeouts_known.load(std::memory_order_relaxed)) {
        const int saved = errno;
        learn_timeouts(fd, facts);
        errno = saved;
    }
    const std::int64_t ns = timeout_ns(facts, dir);
    return ns == 0 ? deadline::never() : deadline(std::chrono::nanoseconds(ns));
}

void note_timeout(int fd, direction dir, std::int64_t seconds, descriptor_facts& facts) noexcept {
    learn_timeouts(fd, facts);
    facts.timeouts_untouched = false;
    const bool receives = dir == direction::read;
    // Below zero nothing is waited for, and getsockopt() does not tell.
    (receives ? facts.receive_timeout_ns : facts.send_timeout_ns) =
        seconds < 0 ? -1 : ask_timeout(fd, receives ? SO_RCVTIMEO : SO_SNDTIMEO);
}

void note_created(int fd, descriptor_kind kind, int flags) noexcept {
    static_assert(SOCK_NONBLOCK == O_NONBLOCK);
    reset_facts(fd, kind);
    descriptor_facts* facts = facts_to_note(fd);
    if (facts == nullptr) return;
    facts->fork_epoch.store(fork_epoch(), std::memory_order_relaxed);
    facts->is_closing = false;
    // Not of pipes: raw calls close them unseen, and their number comes back as an event
    // descriptor, which no patched call makes.
    facts->blocking_known.store((flags & O_NONBLOCK) == 0 && kind != descriptor_kind::pipe,
                                std::memory_order_relaxed);
}

void note_shared(int fd) noexcept {
    descriptor_facts* const facts = facts_to_note(fd);
    if (facts == nullptr) return;
    facts->blocking_known = false;
    facts->simple = 0;
}

void note_mode_set(int fd) noexcept {
    note_shared(fd);
    note_mode_chosen(fd);
}

nonblocking_for_a_call::nonblocking_for_a_call(int fd) noexcept
    : fd_(fd), flags_(real::fcntl(fd, F_GETFL, nullptr)) {
    if (flags_ < 0) return;
    if ((flags_ & O_NONBLOCK) != 0)
        flags_ = -1;
    else
        real::fcntl(fd_, F_SETFL, reinterpret_cast<void*>(std::intptr_t{flags_ | O_NONBLOCK}));
}

nonblocking_for_a_call::~nonblocking_for_a_call() {
    const int saved = errno;
    if (flags_ >= 0) real::fcntl(fd_, F_SETFL, reinterpret_cast<void*>(std::intptr_t{flags_}));
    errno = saved;
}

}  // namespace ramie::monkey::detail
