// A number of permits that fibers take and give back.
//
//     ramie::semaphore connections(10);
//     {
//         const std::lock_guard permit(connections);     // the eleventh fiber waits
//         fetch(url);
//     }
//
// For the fibers of one thread. Destroyed while fibers wait for it, it wakes them with
// std::logic_error.
#pragma once

#include <cstddef>

#include "ramie/deadline.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

// FIFO and fair: release() gives the permit to the first that waits. Also a lock for
// std::lock_guard and its like, which any fiber may unlock.
class semaphore {
  public:
    // With `permits` to begin with. Never suspends.
    explicit semaphore(std::size_t permits = 1) noexcept : permits_(permits) {}
    semaphore(const semaphore&) = delete;
    semaphore& operator=(const semaphore&) = delete;
    // Never suspends.
    ~semaphore() { waiters_.close(); }

    // Takes a permit; false at the deadline. Suspends the calling fiber.
    bool acquire(deadline until = {}) { return try_acquire() || acquire_slowly(until); }
    [[nodiscard]] bool try_acquire_for(deadline until) { return acquire(until); }
    [[nodiscard]] bool try_acquire_until(deadline until) { return acquire(until); }

    // Takes a permit if there is one. Never suspends.
    [[nodiscard]] bool try_acquire() noexcept {
        if (permits_ == 0) return false;
        --permits_;
        return true;
    }

    // Gives `count` permits, more than were taken if you like. Never suspends.
    void release(std::size_t count = 1) noexcept {
        if (waiters_.empty()) [[likely]]
            permits_ += count;
        else
            hand_over(count);
    }

    // Those that nobody has. Never suspends.
    [[nodiscard]] std::size_t permits() const noexcept { return permits_; }

    // As a lock: acquire(). Suspends the calling fiber.
    bool lock(deadline until = {}) { return acquire(until); }
    [[nodiscard]] bool try_lock_for(deadline until) { return acquire(until); }
    [[nodiscard]] bool try_lock_until(deadline until) { return acquire(until); }
    // As a lock: try_acquire() and release(). Never suspend.
    [[nodiscard]] bool try_lock() noexcept { return try_acquire(); }
    void unlock() noexcept { release(); }

  private:
    bool acquire_slowly(deadline until);
    void hand_over(std::size_t count) noexcept;

    std::size_t permits_;
    detail::wait_queue waiters_;
};

// A semaphore that never has more permits than it began with: to give back what was not taken is
// a mistake.
class bounded_semaphore {
  public:
    // Never suspends.
    explicit bounded_semaphore(std::size_t permits = 1) noexcept
        : bound_(permits), free_(permits) {}

    // Takes a permit; false at the deadline. Suspends the calling fiber.
    bool acquire(deadline until = {}) {
        if (!free_.acquire(until)) return false;
        ++taken_;
        return true;
    }
    [[nodiscard]] bool try_acquire_for(deadline until) { return acquire(until); }
    [[nodiscard]] bool try_acquire_until(deadline until) { return acquire(until); }

    // Takes a permit if there is one. Never suspends.
    [[nodiscard]] bool try_acquire() noexcept {
        const bool got = free_.try_acquire();
        taken_ += got ? 1 : 0;
        return got;
    }

    // Throws std::logic_error, and gives nothing, when fewer than `count` are taken. Never
    // suspends.
    void release(std::size_t count = 1) {
        if (count > taken_) refuse_release(count);
        taken_ -= count;
        free_.release(count);
    }

    // Those that nobody has. Never suspends.
    [[nodiscard]] std::size_t permits() const noexcept { return free_.permits(); }

    // As a lock: acquire(). Suspends the calling fiber.
    bool lock(deadline until = {}) { return acquire(until); }
    [[nodiscard]] bool try_lock_for(deadline until) { return acquire(until); }
    [[nodiscard]] bool try_lock_until(deadline until) { return acquire(until); }
    // As a lock: try_acquire() and release(). Never suspend.
    [[nodiscard]] bool try_lock() noexcept { return try_acquire(); }
    void unlock() { release(); }

  private:
    [[noreturn]] void refuse_release(std::size_t count) const;

    std::size_t bound_;
    std::size_t taken_ = 0;
    semaphore free_;
};

}  // namespace ramie
