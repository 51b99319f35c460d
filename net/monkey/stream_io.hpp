// What receiving and sending share: wait as the owner of the descriptor would, and go on until all
// is moved where a blocking call would.
#pragma once

#include <limits.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "descriptor_kind.hpp"
#include "probe.hpp"
#include "ramie/detail/transfer.hpp"
#include "sleep.hpp"

namespace ramie::monkey::detail {

// What is ready of `events` now, errors and ends included; 0: nothing. The kernel says EINTR even
// to who does not wait, when a handler is about to run: that tells nothing. Keeps errno.
inline short ready_now(int fd, short events) noexcept {
    const int saved = errno;
    pollfd question{fd, events, 0};
    while (real::poll(&question, 1, 0) < 0 && errno == EINTR) continue;
    errno = saved;
    return question.revents;
}

// Some sockets that were shut down say EAGAIN when they are told not to wait, where the plain call
// sees the end at once. Asked only where an event told of an end. Keeps errno.
inline bool is_shut_down(int fd) noexcept {
    const descriptor* d = descriptor_of(fd);
    if (d == nullptr || !d->ended) return false;
    return (ready_now(fd, POLLRDHUP) & POLLRDHUP) != 0;
}

// False, with errno, when the number means another file by now.
inline bool still_holds(const meaning& file) noexcept {
    if (file.holds()) [[likely]]
        return true;
    errno = EBADF;
    return false;
}

// A loop of calls that never wait would let no other fiber run.
inline void take_turn() noexcept {
    if (++transfers_in_turn > transfers_per_turn) [[unlikely]]
        give_way();
}

// Who asked for non-blocking counts on keeping the thread until the next poll: OpenSSL holds an
// error of this thread while it sends an alert. Only a loop that never polls is made to give way.
inline void take_turn(int fd, descriptor_facts& facts) noexcept {
    constexpr std::uint32_t without_a_poll = 64 * transfers_per_turn;
    if (++transfers_in_turn <= transfers_per_turn) [[likely]]
        return;
    if (transfers_in_turn > without_a_poll || !wants_nonblocking(fd, facts)) give_way();
}

// `attempt` never blocks. Waits only if the owner's mode is blocking.
template <class Attempt>
ssize_t wait_for(int fd, direction dir, descriptor_facts& facts, deadline until, std::size_t wanted,
                 Attempt&& attempt) noexcept {
    if (!is_known_blocking(facts)) {
        take_turn(fd, facts);
        const ssize_t n = attempt();
        if (n >= 0 || errno != EAGAIN || wants_nonblocking(fd, facts)) return n;
    }
    return transfer<called_by::libc>(fd, dir, wanted, until, attempt).count();
}

// The kernel moves no more in one call (its MAX_RW_COUNT).
constexpr std::size_t most_in_a_call = 0x7ffff000;

// Neither nothing nor more than that.
constexpr bool is_simple_size(std::size_t size) noexcept { return size - 1 < most_in_a_call; }

// False for what the kernel refuses at first sight: the plain call says how, and does not wait.
inline bool are_valid(const iovec* parts, std::size_t count) noexcept {
    return count <= IOV_MAX && may_be_read(parts, count * sizeof *parts) &&
           std::all_of(parts, parts + count,
                       [](const iovec& each) { return each.iov_len <= SSIZE_MAX; });
}

// The first part that is not empty, or the last.
inline const iovec& first_filled(const iovec* parts, int count) noexcept {
    while (count-- > 1 && parts->iov_len == 0) ++parts;
    return *parts;
}

// The parts of a vectored transfer that are still to be moved, a few at a time.
class part_cursor {
  public:
    part_cursor(const iovec* parts, std::size_t count) noexcept : parts_(parts), count_(count) {
        for (std::size_t i = 0; i != count; ++i)
            left_ += std::min(parts[i].iov_len, most_in_a_call - left_);
    }

    [[nodiscard]] std::size_t left() const noexcept { return left_; }

    void advance(std::size_t bytes) noexcept {
        left_ -= bytes;
        bytes += skip_;
        while (count_ != 0 && bytes >= parts_->iov_len) {
            bytes -= parts_->iov_len;
            ++parts_;
            --count_;
        }
        skip_ = bytes;
    }

    struct window {
        iovec parts[16];
        std::size_t count;
        std::size_t bytes;
    };
    [[nodiscard]] window next() const noexcept {
        window w{};
        w.count = std::min(count_, std::size(w.parts));
        std::copy_n(parts_, w.count, w.parts);
        if (w.count != 0) {
            w.parts[0].iov_base = static_cast<char*>(w.parts[0].iov_base) + skip_;
            w.parts[0].iov_len -= skip_;
        }
        for (std::size_t i = 0; i != w.count; ++i) {
            w.parts[i].iov_len = std::min(w.parts[i].iov_len, left_ - w.bytes);
            w.bytes += w.parts[i].iov_len;
        }
        return w;
    }

  private:
    const iovec* parts_;
    std::size_t count_;
    std::size_t skip_ = 0;
    std::size_t left_ = 0;
};

// An error that the next call will report: it must not be taken by a call that has moved something
// already, which reports that. To be asked before every further attempt.
inline bool has_pending_error(int fd) noexcept {
    // Without POLLHUP it is only something to be read with MSG_ERRQUEUE.
    constexpr short broken = POLLERR | POLLHUP;
    return (ready_now(fd, 0) & broken) == broken;
}

// Moves what is left of `cursor` until `enough` is moved and no more is there, the stream ends, or
// nothing more can be; returns how much in all, `done` included, or -1 if nothing was.
// `attempt(parts, count)`: 0 ends it, and a short result means that there is no more for now if
// `short_counts`.
template <class Attempt>
ssize_t transfer_all(int fd, direction dir, descriptor_facts& facts, deadline until,
                     part_cursor cursor, ssize_t done, std::size_t enough, bool short_counts,
                     Attempt attempt) noexcept {
    // In the kernel a call goes on with its file whatever becomes of the number.
    const meaning file(facts);
    while (cursor.left() != 0) {
        auto window = cursor.next();
        const auto once = [&]() -> ssize_t {
            return still_holds(file) ? attempt(window.parts, window.count) : -1;
        };
        const bool must_wait = static_cast<std::size_t>(done) < enough;
        const ssize_t n =
            must_wait ? wait_for(fd, dir, facts, until, short_counts ? window.bytes : 0, once)
                      : once();
        if (n < 0) return done != 0 ? done : n;
        if (n == 0) break;
        done += n;
        cursor.advance(static_cast<std::size_t>(n));
    }
    return done;
}

// For what no event tells of: longer and longer pauses between two tries.
class back_off {
  public:
    // Suspends the calling fiber.
    wake pause(deadline until) noexcept {
        const wake reason = pause_on_fiber(std::min(until, deadline(next_)));
        next_ = std::min(next_ * 2, longest);
        return reason;
    }

  private:
    static constexpr std::chrono::microseconds longest{20'000};
    std::chrono::microseconds next_{100};
};

// For room at a local peer that is not ours alone. Suspends the calling fiber.
template <class Attempt>
ssize_t retry(int fd, deadline until, Attempt attempt) noexcept {
    const descriptor* const d = descriptor_of(fd);
    if (d == nullptr) return -1;
    const std::uint32_t generation = d->generation;
    for (back_off between;;) {
        const ssize_t n = attempt();
        if (n >= 0 || errno != EAGAIN || until.expired()) return n;
        const wake reason = judge(between.pause(until), *d, generation);
        if (reason == wake::closed || reason == wake::interrupted) return -1;
    }
}

// The same for what is no transfer: until `attempt()` is true. False, with errno, when the fiber is
// interrupted. Suspends the calling fiber.
template <class Attempt>
bool try_until(deadline until, Attempt attempt) noexcept {
    for (back_off between;;) {
        if (attempt()) return true;
        const wake reason = between.pause(until);
        if (reason != wake::interrupted || was_taken_back(reason)) continue;
        errno = wait_error(reason);
        return false;
    }
}

// True when `n` says that the number of a socket has become another file unseen. What was known is
// forgotten then: the call is to be begun anew.
inline bool was_replaced(int fd, ssize_t n) noexcept {
    if (n >= 0 || (errno != ENOTSOCK && errno != EPERM)) [[likely]]
        return false;
    // A filter may forbid to send; a file may be one that cannot be watched.
    const int saved = errno;
    const bool is_socket = socket_option(fd, SO_TYPE) >= 0;
    errno = saved;
    if (!is_socket && owns_table()) forget(fd);
    return !is_socket;
}

// A try at a pipe, tty or event descriptor that does not wait: -1 with EAGAIN when it would.
ssize_t try_read_parts(int fd, const iovec* parts, int count) noexcept;
ssize_t try_write_parts(int fd, const iovec* parts, int count) noexcept;

}  // namespace ramie::monkey::detail
