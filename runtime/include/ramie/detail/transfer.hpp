// The one way to do what may block on a descriptor: try, park, try again.
//
//     auto got = transfer(fd, direction::read, size, until,
//                         [&] { return ::recv(fd, data, size, MSG_DONTWAIT); });
//     if (got.failed()) ...    // errno as after a system call; got.reason() says why
//
// Native sockets and patched calls use it; neither of them parks on a descriptor another way.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include "ramie/detail/descriptors.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/fiber.hpp"

namespace ramie::detail {

// How a transfer ended, in one register.
class transferred {
  public:
    // What the last attempt returned; -1: see errno.
    explicit transferred(ssize_t count) noexcept : value_(count) {}
    // What ended the wait: errno is wait_error(reason).
    explicit transferred(wake reason) noexcept : value_(-1 - static_cast<ssize_t>(reason)) {}

    [[nodiscard]] bool failed() const noexcept { return value_ < 0; }
    [[nodiscard]] ssize_t count() const noexcept { return value_ < 0 ? -1 : value_; }
    [[nodiscard]] wake reason() const noexcept {
        return value_ < 0 ? static_cast<wake>(-1 - value_) : wake::granted;
    }

  private:
    ssize_t value_;
};

// A fiber whose peers are faster than it would never wait, and the others never run.
constexpr std::uint32_t transfers_per_turn = 64;
inline constinit thread_local std::uint32_t transfers_in_turn
    __attribute__((tls_model("initial-exec"))) = 0;

// Lets the other ready fibers run; interrupted when a kill or a timeout is due. Suspends the
// calling fiber.
inline wake give_way() noexcept {
    transfers_in_turn = 0;
    fiber_core& self = *current_fiber;
    const bool interruptible = self.shields == 0 && std::uncaught_exceptions() == 0;
    ++self.shields;  // yield() would throw the interrupt
    this_fiber::yield();
    --self.shields;
    return interruptible && !self.interrupts.empty() ? wake::interrupted : wake::granted;
}

// What a suspension that ended with `reason` means for a transfer; sets errno unless it is granted.
inline wake judge(wake reason, const descriptor& d, std::uint32_t generation) noexcept {
    // Closed after the wake-up, before this fiber ran: the number may be another file by now.
    if (reason != wake::closed &&
        d.facts->generation.load(std::memory_order_relaxed) != generation) {
        errno = EBADF;
        return wake::closed;
    }
    if (reason == wake::granted || was_taken_back(reason)) return wake::granted;
    errno = wait_error(reason);
    return reason;
}

// One attempt, which must not block and returns what a system call does. False: it would have.
template <class Try>
inline bool try_transfer(descriptor& d, direction dir, std::size_t wanted, ssize_t& n,
                         Try& attempt) noexcept {
    do {
        n = attempt();
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        d.clear(dir);
        return false;
    }
    if (n > 0 && static_cast<std::size_t>(n) < wanted && !d.ended)
        d.clear(dir);
    else
        pass_on(d, dir);
    return true;
}

// The last attempt of a transfer whose wait ended with `reason`: what is there comes before the
// interrupt, and at the deadline the event may not be collected yet. Keeps errno when there is
// nothing.
template <class Try>
[[gnu::noinline]] transferred try_once_more(descriptor& d, direction dir, std::size_t wanted,
                                            wake reason, Try attempt) noexcept {
    if (reason == wake::closed) return transferred(reason);
    const int error = errno;
    ssize_t n;
    if (try_transfer(d, dir, wanted, n, attempt)) return transferred(n);
    errno = error;
    return transferred(reason);
}

// Parks until an attempt succeeds. Not inlined: what hardly ever waits does not pay for the case
// that it does.
template <called_by Who, class Try>
[[gnu::noinline]] transferred transfer_later(descriptor& d, int fd, direction dir,
                                             std::size_t wanted, deadline until, Try attempt,
                                             waits_as role = waits_as::consumer) noexcept {
    const std::uint32_t generation = d.generation;
    if (transfers_in_turn > transfers_per_turn) [[unlikely]] {
        const wake reason = judge(give_way(), d, generation);
        if (reason != wake::granted) return transferred(reason);
    }
    for (;; role = waits_as::consumer_again) {
        ssize_t n;
        if (d.may_be_ready(dir) && try_transfer(d, dir, wanted, n, attempt)) return transferred(n);
        transfers_in_turn = 0;
        const wake reason = judge(wait_descriptor(d, fd, dir, until, role, Who), d, generation);
        if (reason != wake::granted) return try_once_more(d, dir, wanted, reason, attempt);
    }
}

// False: it is to be tried by transfer_later().
template <class Try>
__attribute__((always_inline)) inline bool try_at_once(descriptor& d, direction dir,
                                                       std::size_t wanted, ssize_t& n,
                                                       Try& attempt) noexcept {
    return ++transfers_in_turn <= transfers_per_turn && d.may_be_ready(dir) &&
           try_transfer(d, dir, wanted, n, attempt);
}

// Calls `attempt`, which must not block and returns what a system call does, until it does not
// fail with EAGAIN, or the deadline, an interrupt or a close of `fd` ends the wait. `wanted`: a
// transfer of less leaves the descriptor not ready; 0: a short one proves nothing. Only for a
// fiber: current_fiber is not null. Suspends the calling fiber.
template <called_by Who = called_by::us, class Try>
__attribute__((always_inline)) inline transferred transfer(descriptor& d, int fd, direction dir,
                                                           std::size_t wanted, deadline until,
                                                           Try attempt) noexcept {
    ssize_t n;
    if (try_at_once(d, dir, wanted, n, attempt)) [[likely]]
        return transferred(n);
    return transfer_later<Who>(d, fd, dir, wanted, until, attempt);
}

template <called_by Who = called_by::us, class Try>
inline transferred transfer(int fd, direction dir, std::size_t wanted, deadline until,
                            Try attempt) noexcept {
    descriptor* const d = descriptor_of(fd);
    if (d == nullptr) [[unlikely]]
        return transferred(wake::closed);
    return transfer<Who>(*d, fd, dir, wanted, until, std::move(attempt));
}

// The transfer that waits most often, a receive of bytes by `call` with MSG_DONTWAIT: compiled with
// the switch inlined. Suspends the calling fiber.
using receive_call = ssize_t (*)(int fd, void* data, std::size_t size, int flags);
transferred transfer_receive(descriptor&, int fd, void* data, std::size_t size, deadline,
                             receive_call call) noexcept;

// The same for libc's recv(), without a deadline: the count, or -1 with errno.
ssize_t transfer_receive_for_libc(descriptor&, int fd, void* data, std::size_t size,
                                  receive_call call) noexcept;

}  // namespace ramie::detail
