// Many readers or one writer.
//
//     ramie::shared_mutex m;
//     { const std::shared_lock reading(m); return table.at(key); }
//     { const std::lock_guard writing(m);  table[key] = value; }
//
// For the fibers of one thread. Destroyed while fibers wait for it, it wakes them with
// std::logic_error.
#pragma once

#include <cstddef>

#include "ramie/deadline.hpp"
#include "ramie/detail/holder.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

// FIFO and fair: a reader that comes while a writer waits stands behind it, so neither starves.
class shared_mutex {
  public:
    // Never suspends.
    shared_mutex() noexcept = default;
    shared_mutex(const shared_mutex&) = delete;
    shared_mutex& operator=(const shared_mutex&) = delete;
    // Never suspends.
    ~shared_mutex() { waiters_.close(); }

    // For this fiber alone; false at the deadline. Throws deadlock_error when the calling fiber has
    // it for itself already. One that reads waits for itself: who reads is not known, so that it
    // has to give that up first. Suspends the calling fiber.
    bool lock(deadline until = {}) { return lock(exclusive, until); }
    [[nodiscard]] bool try_lock_for(deadline until) { return lock(until); }
    [[nodiscard]] bool try_lock_until(deadline until) { return lock(until); }

    // Never suspends.
    [[nodiscard]] bool try_lock() { return waiters_.empty() && enter(exclusive, caller()); }

    // Throws std::logic_error when the calling fiber does not have it for itself. Never suspends.
    void unlock();

    // Together with other readers; false at the deadline. Throws deadlock_error when the calling
    // fiber has it for itself. Suspends the calling fiber.
    bool lock_shared(deadline until = {}) { return lock(shared, until); }
    [[nodiscard]] bool try_lock_shared_for(deadline until) { return lock_shared(until); }
    [[nodiscard]] bool try_lock_shared_until(deadline until) { return lock_shared(until); }

    // Never suspends.
    [[nodiscard]] bool try_lock_shared() { return waiters_.empty() && enter(shared, caller()); }

    // Throws std::logic_error when there is no reader. Never suspends.
    void unlock_shared();

    // How many read now. Never suspends.
    [[nodiscard]] std::size_t readers() const noexcept { return readers_; }

  private:
    enum mode : bool { shared, exclusive };
    struct place;

    static detail::fiber_core& caller();
    bool lock(mode, deadline until);
    [[nodiscard]] bool open_to(mode) const noexcept;
    bool enter(mode, detail::fiber_core&) noexcept;
    void admit() noexcept;
    static void describe(const void* self, std::string& out);
    static const detail::wait_kind kind;

    detail::holder writer_;
    std::size_t readers_ = 0;
    detail::wait_queue waiters_;
};

}  // namespace ramie
