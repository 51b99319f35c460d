// The one way to do what may block on a descriptor: try, park, try again.
//
//     auto got = transfer(fd, direction::read, size, until,
//                         [&] { return ::recv(fd, data, size, MSG_DONTWAIT); });
//     if (got.count < 0) ...    // errno as after a system call; got.reason says why it ended
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

struct transferred {
    ssize_t count;  // what the last attempt returned; -1: see errno
    wake reason;    // granted, or what ended the wait: errno is then wait_error(reason)
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

// What is there comes before the interrupt of a wait for it: its event may not be collected yet.
// Keeps errno when there is nothing.
template <class Try>
inline bool try_after_interrupt(descriptor& d, direction dir, std::size_t wanted, ssize_t& n,
                                Try& attempt) noexcept {
    const int error = errno;
    if (try_transfer(d, dir, wanted, n, attempt)) return true;
    errno = error;
    return false;
}

// Parks until an attempt succeeds. Inlined: a frame less on the stack of every parked fiber.
template <called_by Who, class Try>
__attribute__((always_inline)) inline transferred transfer_when_ready(descriptor& d, int fd,
                                                                      direction dir,
                                                                      std::size_t wanted,
                                                                      deadline until,
                                                                      Try& attempt) noexcept {
    const std::uint32_t generation = d.generation;
    waits_as role = waits_as::consumer;
    wake reason = wake::granted;
    if (transfers_in_turn > transfers_per_turn) [[unlikely]]
        reason = judge(give_way(), d, generation);
    while (reason == wake::granted || reason == wake::timed_out) {
        // At the deadline the kernel is asked once more: its event may not be collected yet.
        if (d.may_be_ready(dir) || reason == wake::timed_out) {
            ssize_t n;
            if (try_transfer(d, dir, wanted, n, attempt)) return {n, wake::granted};
            if (reason == wake::timed_out) break;
        }
        transfers_in_turn = 0;
        reason = judge(wait_descriptor(d, fd, dir, until, role, Who), d, generation);
        role = waits_as::consumer_again;
        ssize_t n;
        if (reason == wake::interrupted && try_after_interrupt(d, dir, wanted, n, attempt))
            return {n, wake::granted};
    }
    return {-1, reason};
}

// What hardly ever waits does not pay for the case that it does.
template <called_by Who, class Try>
[[gnu::noinline]] transferred transfer_later(descriptor& d, int fd, direction dir,
                                             std::size_t wanted, deadline until,
                                             Try& attempt) noexcept {
    return transfer_when_ready<Who>(d, fd, dir, wanted, until, attempt);
}

// Calls `attempt`, which must not block and returns what a system call does, until it does not
// fail with EAGAIN, or the deadline, an interrupt or a close of `fd` ends the wait. `wanted`: a
// transfer of less leaves the descriptor not ready; 0: a short one proves nothing. Only for a
// fiber: current_fiber is not null. Suspends the calling fiber.
template <called_by Who = called_by::us, class Try>
__attribute__((always_inline)) inline transferred transfer(descriptor& d, int fd, direction dir,
                                                           std::size_t wanted, deadline until,
                                                           Try attempt) noexcept {
    if (++transfers_in_turn <= transfers_per_turn && d.may_be_ready(dir)) {
        ssize_t n;
        if (try_transfer(d, dir, wanted, n, attempt)) [[likely]]
            return {n, wake::granted};
    }
    return dir == direction::write ? transfer_later<Who>(d, fd, dir, wanted, until, attempt)
                                   : transfer_when_ready<Who>(d, fd, dir, wanted, until, attempt);
}

template <called_by Who = called_by::us, class Try>
inline transferred transfer(int fd, direction dir, std::size_t wanted, deadline until,
                            Try attempt) noexcept {
    descriptor* const d = descriptor_of(fd);
    if (d == nullptr) [[unlikely]]
        return {-1, wake::closed};
    return transfer<Who>(*d, fd, dir, wanted, until, std::move(attempt));
}

}  // namespace ramie::detail
