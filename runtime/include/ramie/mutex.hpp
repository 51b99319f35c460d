// Mutual exclusion between fibers.
//
//     ramie::mutex m;
//     {
//         const std::lock_guard held(m);       // or std::unique_lock, std::scoped_lock
//         socket.write_all(line);              // other fibers wait, in order
//     }
//
// For the fibers of one thread. Destroyed while fibers wait for it, it wakes them with
// std::logic_error.
#pragma once

#include <cstdint>

#include "ramie/deadline.hpp"
#include "ramie/detail/holder.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

// FIFO and fair: unlock() gives the lock to the first that waits.
class mutex {
  public:
    // Never suspends.
    mutex() noexcept = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;
    // Never suspends.
    ~mutex() { waiters_.close(); }

    // True when the lock was taken, false at the deadline. Throws deadlock_error when the calling
    // fiber holds it already. Suspends the calling fiber.
    bool lock(deadline until = {}) { return try_lock_here() || lock_slowly(until); }
    [[nodiscard]] bool try_lock_for(deadline until) { return lock(until); }
    [[nodiscard]] bool try_lock_until(deadline until) { return lock(until); }

    // False when anyone holds it. Throws std::logic_error on the loop. Never suspends.
    [[nodiscard]] bool try_lock() { return try_lock_here() || try_lock_slowly(); }

    // Hands the lock to the first that waits. Throws std::logic_error when the calling fiber does
    // not hold it. Never suspends.
    void unlock() {
        if (!owner_.is_caller()) [[unlikely]]
            refuse_unlock();
        owner_.clear();
        if (!waiters_.empty()) [[unlikely]]
            hand_over();
    }

    // True while any fiber holds it. Never suspends.
    [[nodiscard]] bool is_locked() const noexcept { return owner_.is_somebody(); }

    // True while the calling fiber holds it. Never suspends.
    [[nodiscard]] bool is_mine() const noexcept { return owner_.is_caller(); }

  private:
    // Where nothing may wait, and before the first fiber, there is no fiber to own it.
    bool try_lock_here() noexcept {
        if (owner_.is_somebody() || detail::current_fiber == nullptr) return false;
        owner_.set(*detail::current_fiber);
        return true;
    }
    bool lock_slowly(deadline until);
    bool try_lock_slowly();
    void hand_over() noexcept;
    [[noreturn]] void refuse_unlock() const;
    static void describe(const void* self, std::string& out);
    static const detail::wait_kind kind;

    detail::holder owner_;
    detail::wait_queue waiters_;
};

// The same for a fiber that may take it again while it has it; as many unlocks give it back.
class recursive_mutex {
  public:
    // True when the lock was taken, false at the deadline. Suspends the calling fiber.
    bool lock(deadline until = {}) {
        if (!inner_.is_mine() && !inner_.lock(until)) return false;
        ++depth_;
        return true;
    }
    [[nodiscard]] bool try_lock_for(deadline until) { return lock(until); }
    [[nodiscard]] bool try_lock_until(deadline until) { return lock(until); }

    // False when another fiber holds it. Throws std::logic_error on the loop. Never suspends.
    [[nodiscard]] bool try_lock() {
        if (!inner_.is_mine() && !inner_.try_lock()) return false;
        ++depth_;
        return true;
    }

    // Throws std::logic_error when the calling fiber does not hold it. Never suspends.
    void unlock() {
        if (inner_.is_mine() && --depth_ != 0) return;
        inner_.unlock();
    }

    // True while any fiber holds it. Never suspends.
    [[nodiscard]] bool is_locked() const noexcept { return inner_.is_locked(); }

  private:
    mutex inner_;
    std::uint32_t depth_ = 0;
};

}  // namespace ramie
