// What a patched call must know about a descriptor before it parks: what it is, whether its owner
// asked for non-blocking, and its timeouts. The kernel is asked, and the answer is kept only as
// long as nobody else can change it.
#pragma once

#include <fcntl.h>

#include "calls.hpp"

namespace ramie::monkey::detail {

inline bool is_socket(descriptor_kind k) noexcept {
    return k == descriptor_kind::tcp || k == descriptor_kind::socket;
}

// -1 when there is none.
int socket_option(int fd, int name) noexcept;

// S_IFSOCK, S_IFIFO, ...; 0 for what has none (event descriptors), and for no descriptor. Keeps
// errno.
mode_t file_type(int fd) noexcept;

// Asks the kernel once for each opening of the number.
descriptor_kind kind_of(int fd, descriptor_facts&) noexcept;

// As it is now, whatever was known. A vforked child has its own numbers and its parent's table, to
// which this is nothing.
descriptor_kind learn_kind(int fd, descriptor_facts&) noexcept;

// True when nobody but this process's patched calls can have made it non-blocking.
inline bool is_known_blocking(const descriptor_facts& facts) noexcept {
    return facts.blocking_known.load(std::memory_order_relaxed) &&
           facts.fork_epoch.load(std::memory_order_relaxed) == fork_epoch();
}

// True when the owner set O_NONBLOCK.
bool wants_nonblocking(int fd, descriptor_facts&) noexcept;

// Finds out whether calls in this direction may take the short way, see simple.hpp.
void learn_simple(int fd, direction, descriptor_facts&) noexcept;

inline std::int64_t timeout_ns(const descriptor_facts& facts, direction dir) noexcept {
    const auto& ns = dir == direction::read ? facts.receive_timeout_ns : facts.send_timeout_ns;
    return ns.load(std::memory_order_relaxed);
}

// By SO_RCVTIMEO or SO_SNDTIMEO, from now.
deadline timeout_of(int fd, direction, descriptor_facts&) noexcept;

// The owner set one of them to `seconds` and something.
void note_timeout(int fd, direction, std::int64_t seconds, descriptor_facts&) noexcept;

// A new descriptor was made by this process; `flags` as for socket(): SOCK_NONBLOCK or O_NONBLOCK.
void note_created(int fd, descriptor_kind, int flags) noexcept;

// The open file may have more than one name from now on: ask the kernel every time.
void note_shared(int fd) noexcept;

// The owner chose a mode: ask the kernel for it.
void note_mode_set(int fd) noexcept;

// A blocking descriptor in non-blocking mode for the length of one call. The kernel remembers the
// mode with the open file, so others see it for that long. Who finds it set leaves it as it is: it
// may be another's for the length of a call, and to restore it would be to set it for good.
class nonblocking_for_a_call {
  public:
    explicit nonblocking_for_a_call(int fd) noexcept;
    ~nonblocking_for_a_call();
    nonblocking_for_a_call(const nonblocking_for_a_call&) = delete;
    nonblocking_for_a_call& operator=(const nonblocking_for_a_call&) = delete;

  private:
    int fd_;
    int flags_;  // -1: not set by this one
};

}  // namespace ramie::monkey::detail
