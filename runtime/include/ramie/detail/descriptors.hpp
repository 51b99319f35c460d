// One table of descriptors, in two parts: what is true for the whole process (facts), and what one
// scheduler's reactor knows (descriptor). Native sockets, wait_readable and the patched calls all
// park here.
#pragma once

#include <atomic>
#include <cstdint>

#include "ramie/detail/wait_queue.hpp"

namespace ramie::detail {

enum class direction : std::uint8_t { read = 1, write = 2 };

// Which call tries without blocking, and what a short transfer means.
enum class descriptor_kind : std::uint8_t {
    unknown,  // not looked at yet
    tcp,      // a short read means that the kernel has nothing more: readiness can be remembered
    socket,   // any other: MSG_DONTWAIT tries
    pipe,     // pipes, ttys, event descriptors: RWF_NOWAIT or poll tries
    plain,    // never makes anyone wait (regular files, directories)
};

// Process-wide; an entry is never freed, only reset. All zero is the state of a number that nobody
// has used yet.
struct descriptor_facts {
    std::atomic<std::uint32_t> generation;  // counts the closes and openings seen
    std::atomic<std::uint16_t> watchers;    // schedulers whose reactor was told of it
    std::atomic<descriptor_kind> kind;
    std::atomic<bool> blocking_known;       // the owner's mode is known to be blocking...
    std::atomic<std::uint16_t> fork_epoch;  // ...as long as no fork could have shared it since
    std::atomic<std::int32_t> keeper;       // the process one of whose loops works with it, or 0
    std::atomic<std::int64_t>
        receive_timeout_ns;  // SO_RCVTIMEO and SO_SNDTIMEO; 0: none, < 0: over
    std::atomic<std::int64_t> send_timeout_ns;
    std::atomic<bool> timeouts_known;
    std::atomic<bool> timeouts_untouched;  // never set since it was made
    std::atomic<bool> short_read_counts;   // false: urgent data, kernel TLS: do not conclude
    std::atomic<bool> has_low_water_mark;  // SO_RCVLOWAT was set
    // Its close is under way: who begins to wait now would not be told.
    std::atomic<bool> is_closing;
    // Directions in which a patched call need not look at any of the above: a blocking TCP socket
    // without timeouts. Set before it is found out and cleared after a change, so that no change
    // is missed.
    std::atomic<std::uint8_t> simple;
};

// Above the largest number that was ever simple: a fork clears so many.
inline constinit std::atomic<int> end_of_simple{0};

// Two levels, the second made when first touched: 4,096 x 4,096 numbers are beyond any limit in use
// (fs.nr_open is 1,048,576 by default).
inline constexpr std::size_t facts_chunk_size = 4096;
inline constexpr std::size_t facts_chunk_count = 4096;
inline constinit std::atomic<descriptor_facts*> facts_chunks[facts_chunk_count] = {};
descriptor_facts* make_facts(int fd) noexcept;

// Null when nothing has ever been known of the number. Async-signal-safe. Callable from any thread.
inline descriptor_facts* known_facts(int fd) noexcept {
    const auto index = static_cast<std::size_t>(fd);  // negative: far beyond the table
    if (index >= facts_chunk_size * facts_chunk_count) [[unlikely]]
        return nullptr;
    descriptor_facts* const chunk =
        facts_chunks[index / facts_chunk_size].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : chunk + index % facts_chunk_size;
}

// Null for a number below 0 or beyond every limit. Callable from any thread.
inline descriptor_facts* facts_of(int fd) noexcept {
    descriptor_facts* const known = known_facts(fd);
    return known != nullptr ? known : make_facts(fd);
}

// For who only takes note: outside of fibers the caller may be a signal handler, so that no memory
// is asked for. Callable from any thread.
inline descriptor_facts* facts_to_note(int fd) noexcept {
    return current_fiber != nullptr ? facts_of(fd) : known_facts(fd);
}

// The number means something new: forget what was known. Async-signal-safe outside of fibers.
// Callable from any thread.
void reset_facts(int fd, descriptor_kind kind = descriptor_kind::unknown) noexcept;

// Counts the forks of this process: what was known of a shared open file is not sure after one.
inline constinit std::atomic<std::uint16_t> forks{0};
inline std::uint16_t fork_epoch() noexcept { return forks.load(std::memory_order_relaxed); }
void bump_fork_epoch() noexcept;

// One scheduler's view. `ready` remembers readiness: an event sets it, EAGAIN or a short read
// clears it, and a fiber that finds it clear parks without asking the kernel again.
struct alignas(64) descriptor {
    wait_queue readers;
    wait_queue writers;
    descriptor_facts* facts = nullptr;
    std::uint32_t generation = 0;
    std::uint8_t ready = 3;     // a set of directions
    std::uint8_t interest = 0;  // directions that the reactor was told of
    bool ended = false;         // hang-up, error or urgent data seen: a short read proves nothing

    [[nodiscard]] bool may_be_ready(direction d) const noexcept {
        return (ready & static_cast<std::uint8_t>(d)) != 0;
    }
    void clear(direction d) noexcept {
        ready &= static_cast<std::uint8_t>(~static_cast<unsigned>(d));
    }
    wait_queue& waiting(direction d) noexcept { return d == direction::read ? readers : writers; }
};

// The table of the calling thread's scheduler.
struct descriptor_table {
    static constexpr std::size_t chunk_size = 256;
    descriptor* const* chunks = nullptr;
    std::size_t count = 0;
};
inline constinit thread_local descriptor_table current_table
    __attribute__((tls_model("initial-exec")));
descriptor* find_descriptor(int fd) noexcept;

// The calling thread's view of `fd`, when that is up to date; else null. Never suspends.
inline descriptor* known_descriptor(int fd) noexcept {
    const std::size_t index = static_cast<unsigned>(fd) / descriptor_table::chunk_size;
    if (index >= current_table.count) return nullptr;
    descriptor* const chunk = current_table.chunks[index];
    if (chunk == nullptr) return nullptr;
    descriptor& d = chunk[static_cast<unsigned>(fd) % descriptor_table::chunk_size];
    return d.generation == d.facts->generation.load(std::memory_order_relaxed) ? &d : nullptr;
}

// The calling thread's view of `fd`, brought up to date; null when the number is out of range or
// memory is short (errno says which). Never suspends.
inline descriptor* descriptor_of(int fd) noexcept {
    descriptor* const d = known_descriptor(fd);
    return d != nullptr ? d : find_descriptor(fd);
}

// Tells the reactor once that `d` is waited for. False with errno when it cannot be: EPERM means
// that the kernel never makes anyone wait for it. Never suspends.
bool watch(descriptor&, int fd, direction) noexcept;

// Parks the calling fiber until an event says that `fd` may be ready. wake::closed with errno when
// it was closed (EBADF) or cannot be watched. Suspends the calling fiber.
enum class waits_as : std::uint8_t {
    watcher,         // the wake-up is handed on to the next one at once
    consumer,        // goes on to transfer, and then calls pass_on
    consumer_again,  // was woken and found nothing: keeps its turn
};
enum class called_by : std::uint8_t { us, libc };  // a signal may end the wait of a libc call
wake wait_descriptor(descriptor&, int fd, direction, deadline, waits_as,
                     called_by = called_by::us) noexcept;

// After a transfer: if there may be more, the next waiter has its turn. Never suspends.
inline void pass_on(descriptor& d, direction dir) noexcept {
    if (!d.waiting(dir).empty() && d.may_be_ready(dir)) [[unlikely]]
        d.waiting(dir).wake_one();
}

// Takes `fd` out of every reactor of this process and wakes its waiters with EBADF, those of other
// loops soon; call it before close. Outside of fibers (on another thread, on the loop, in a signal
// handler that may have interrupted the scheduler in a change) it only leaves a note to every loop,
// and is async-signal-safe. Keeps errno. Callable from any thread.
void forget(int fd) noexcept;

// Wakes all who wait for `fd`, those of other loops soon, to look again: something has been done to
// it that no event tells of. Async-signal-safe outside of fibers. Keeps errno. Never suspends.
// Callable from any thread.
void wake_waiters(int fd) noexcept;

// What a number means now: a call that goes on after others have run asks whether it still does.
class meaning {
  public:
    explicit meaning(const descriptor_facts& facts) noexcept
        : facts_(&facts), generation_(facts.generation.load(std::memory_order_relaxed)) {}
    [[nodiscard]] bool holds() const noexcept {
        return facts_->generation.load(std::memory_order_relaxed) == generation_;
    }

  private:
    const descriptor_facts* facts_;
    std::uint32_t generation_;
};

// True when the timeout that woke the calling fiber was cancelled by another one before it ran: it
// has to wait on. Never suspends.
bool was_taken_back(wake) noexcept;

// errno for a wait that did not end in readiness: EAGAIN (timed out), ECANCELED or ETIMEDOUT
// (killed, scope expired), EINTR (told once), else errno as it stands.
int wait_error(wake) noexcept;

}  // namespace ramie::detail
