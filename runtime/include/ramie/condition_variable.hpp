// Waiting for something that is true only while a lock is held.
//
//     std::unique_lock held(m);
//     ready.wait(held, [&] { return !jobs.empty(); });        // or with a deadline, last
//     ...
//     { const std::lock_guard held(m); jobs.push_back(job); }
//     ready.notify_one();
//
// For the fibers of one thread. Destroyed while fibers wait for it, it wakes them with
// std::logic_error.
#pragma once

#include <concepts>
#include <cstddef>

#include "ramie/deadline.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

// With any lock that has lock() and unlock(). Wakes in order of arrival.
class condition_variable {
  public:
    // Never suspends.
    condition_variable() noexcept = default;
    condition_variable(const condition_variable&) = delete;
    condition_variable& operator=(const condition_variable&) = delete;
    // Never suspends.
    ~condition_variable() { waiters_.close(); }

    // Gives `held` back and waits; true when notified, false at the deadline. It may return true
    // without a notification. Holds `held` again however it ends, by an exception too: that wait
    // has no deadline, and a kill is delivered at the next one. Suspends the calling fiber.
    template <class Lock>
    bool wait(Lock& held, deadline until = {}) {
        place mine;
        waiters_.enqueue(mine.self);
        held.unlock();
        const relock<Lock> again{held};
        return wait_here(mine.self, until);
    }

    // The same until `ready()`; returns what it said last. Suspends the calling fiber.
    template <class Lock, std::predicate Ready>
    bool wait(Lock& held, Ready ready, deadline until = {}) {
        while (!ready())
            if (!wait(held, until)) return ready();
        return true;
    }

    // Wakes the first that waits, if any. Never suspends.
    void notify_one() noexcept { waiters_.wake_one(); }

    // Wakes all that wait now. Never suspends.
    void notify_all() noexcept { waiters_.wake_all(); }

  private:
    struct place {
        place();
        ~place();
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        detail::waiter self;
    };
    // No interrupt may come between the caller and its lock.
    template <class Lock>
    struct relock {
        Lock& held;
        ~relock() noexcept(false) {
            const detail::shielded_scope guard(*detail::current_fiber);
            held.lock();
        }
    };
    bool wait_here(detail::waiter& self, deadline until);

    detail::wait_queue waiters_;
};

}  // namespace ramie
