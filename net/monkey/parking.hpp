// Where fibers wait for what libc keeps in the program's memory: queues in order of arrival, found
// by the address of a mutex, a semaphore, a condition. One table for the process; the places are in
// the frames of those that wait, so nothing is allocated.
//
//     parked me(lock);                     // behind those that wait for it already
//     while (!(me.is_first() && try_lock(lock))) me.park(kind, lock, until);
//
// Who gives it up calls wake_first() after that. To look at the queue is a load while nobody waits
// near it. The fiber tries again after it has queued, and the other one looks after it has given
// up: whatever the order, one of them sees the other.
#pragma once

#include <atomic>
#include <cstdint>

#include "calls.hpp"
#include "ramie/detail/remote_waiter.hpp"

namespace ramie::monkey::detail {

class parked {
  public:
    // At the end of the queue for `key`. The calling fiber. Never suspends.
    explicit parked(const void* key) noexcept;
    // Leaves the queue; a wake-up that it did not use goes to the next one. Never suspends.
    ~parked();
    parked(const parked&) = delete;
    parked& operator=(const parked&) = delete;

    // True when nobody was there before. From here on a wake-up counts as not yet used.
    [[nodiscard]] bool is_first() noexcept;
    // True when all in this queue are fibers of one thread.
    [[nodiscard]] bool is_among_own() const noexcept;

    // Parks until somebody wakes it, maybe once too often, or the deadline. Suspends the calling
    // fiber.
    wake park(const wait_kind& kind, const void* object, deadline until, bool shielded) noexcept {
        return waiter_.park(kind, object, until, shielded);
    }

    // True when a grant took it out of the queue.
    [[nodiscard]] bool was_granted() const noexcept { return granted_.load(); }

    // The next in line is to look, too, when this one has left.
    void pass_on() noexcept { passes_on_ = true; }

  private:
    friend struct bucket;

    const void* const key_;
    parked* previous_ = nullptr;
    parked* next_ = nullptr;
    parked* next_first_ = nullptr;  // of the first in line: the first of another queue
    parked* last_ = this;           // of the first in line: its queue
    std::uint32_t length_ = 1;
    bool mixed_ = false;
    bool queued_ = false;
    bool woken_ = false;
    bool passes_on_ = false;
    std::atomic<bool> granted_{false};
    remote_waiter waiter_;
};

// What a thread is in the middle of: the unlocking of a mutex inside of libc, where nobody is told
// of it; an initialiser.
class mark {
  public:
    explicit mark(const void* key) noexcept;
    ~mark();
    mark(const mark&) = delete;
    mark& operator=(const mark&) = delete;

  private:
    friend struct bucket;
    const void* const key_;
    const pid_t thread_;
    mark* next_ = nullptr;
};

// True when this thread, or any one, is.
[[nodiscard]] bool is_marked(const void* key, pid_t by) noexcept;
[[nodiscard]] bool is_marked(const void* key) noexcept;

// Of the calling thread.
inline constinit thread_local pid_t own_thread_id __attribute__((tls_model("initial-exec"))) = 0;
pid_t ask_thread_id() noexcept;
inline pid_t thread_id() noexcept {
    return own_thread_id != 0 ? own_thread_id : (own_thread_id = ask_thread_id());
}

enum class told { one, all };
// Wakes who may try again. Callable from any thread, and in signal handlers if `may_interrupt`.
void wake_slowly(const void* key, told, bool may_interrupt) noexcept;
// Takes the first, or all, out of the queue: their wait is over.
void grant_slowly(const void* key, told) noexcept;
// The same for up to so many; how many there were. Callable in signal handlers, too.
std::uint32_t grant_some(const void* key, std::uint32_t most) noexcept;

inline constexpr std::size_t bucket_count = 512;
inline constinit std::atomic<std::uint32_t> parked_near[bucket_count] = {};
// In all of them: as a rule nobody waits anywhere, and one load tells.
inline constinit std::atomic<std::uint32_t> parked_anywhere{0};

inline std::size_t bucket_index(const void* key) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(key) >> 4;
    return (address * 0x9E3779B97F4A7C15U) >> (64 - 9);
}

// The look that follows a release.
inline bool anyone_near(const void* key) noexcept {
#if defined(__x86_64__)
    // What released it was a locked instruction or a system call, which order the look after it.
    std::atomic_signal_fence(std::memory_order_seq_cst);
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
    return parked_anywhere.load(std::memory_order_acquire) != 0 &&
           parked_near[bucket_index(key)].load(std::memory_order_relaxed) != 0;
}

inline void wake_first(const void* key) noexcept {
    if (anyone_near(key)) [[unlikely]]
        wake_slowly(key, told::one, false);
}
inline void wake_all(const void* key) noexcept {
    if (anyone_near(key)) [[unlikely]]
        wake_slowly(key, told::all, false);
}

// How many wait for `key`.
[[nodiscard]] std::uint32_t count_parked(const void* key) noexcept;

// Before the first fiber parks. Callable from any thread.
void prepare_parking() noexcept;

// In a forked child, first of all.
void forget_parents_parking() noexcept;

}  // namespace ramie::monkey::detail
