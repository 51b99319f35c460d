// Meeting points: a latch opens once, a barrier again and again, and once() runs something once.
//
//     ramie::latch loaded(3);                   // three fibers call loaded.count_down()
//     loaded.wait();
//     ramie::barrier step(4);                   // four fibers meet at step.arrive_and_wait()
//     static ramie::once opened;  opened.call([] { open_database(); });
//
// For the fibers of one thread. Destroyed while fibers wait for it, each wakes them with
// std::logic_error.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/detail/wait_queue.hpp"
#include "ramie/mutex.hpp"

namespace ramie {

class latch {
  public:
    // Opens when it was counted down `count` times. Never suspends.
    explicit latch(std::size_t count) noexcept : count_(count) {}
    latch(const latch&) = delete;
    latch& operator=(const latch&) = delete;
    ~latch() { waiters_.close(); }

    // Throws std::logic_error when fewer than `n` are left. Never suspends.
    void count_down(std::size_t n = 1);

    // Waits until it is open; false at the deadline. Suspends the calling fiber.
    bool wait(deadline until = {});
    bool arrive_and_wait(deadline until = {}) {
        count_down();
        return wait(until);
    }

    // True when it is open. Never suspends.
    [[nodiscard]] bool try_wait() const noexcept { return count_ == 0; }

  private:
    std::size_t count_;
    detail::wait_queue waiters_;
};

class barrier {
  public:
    // For `count` fibers, at least one. The last that arrives calls `completion`, which must not
    // suspend nor throw, before the others go on. Never suspends.
    explicit barrier(std::size_t count, std::function<void()> completion = {});
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    ~barrier() { waiters_.close(); }

    // Waits for the others; false at the deadline, and then, as after a kill, it has not arrived.
    // Suspends the calling fiber.
    bool arrive_and_wait(deadline until = {});

    // Arrives and will not come again: from the next time on the others are one fewer. Throws
    // std::logic_error when nobody is expected. Never suspends.
    void arrive_and_drop();

    // How many wait for the others now. Never suspends.
    [[nodiscard]] std::size_t arrived() const noexcept { return arrived_; }

  private:
    void open();

    std::size_t count_;
    std::size_t arrived_ = 0;
    std::size_t phase_ = 0;  // how often it has opened
    std::function<void()> completion_;
    detail::wait_queue waiters_;
};

class once {
  public:
    // Calls `f` unless a call has succeeded before; while one is under way, waits for it. If it
    // throws, the next caller tries. False at the deadline. Throws deadlock_error when called from
    // `f`. Suspends the calling fiber.
    template <class F>
    bool call(F&& f, deadline until = {}) {
        if (done_) return true;
        if (!turn_.lock(until)) return false;
        const std::lock_guard held(turn_, std::adopt_lock);
        if (!done_) std::invoke(std::forward<F>(f));
        return done_ = true;
    }

    // True when a call has succeeded. Never suspends.
    [[nodiscard]] bool done() const noexcept { return done_; }

  private:
    mutex turn_;
    bool done_ = false;
};

}  // namespace ramie
