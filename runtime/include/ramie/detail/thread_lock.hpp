// A lock for the few instructions in which threads meet inside of ramie. Not std::mutex: that is a
// pthread mutex, on which a fiber parks when such calls are patched, and most of ramie must not.
#pragma once

#include <atomic>

namespace ramie::detail {

class thread_lock {
  public:
    constexpr thread_lock() noexcept = default;
    thread_lock(const thread_lock&) = delete;
    thread_lock& operator=(const thread_lock&) = delete;

    // May block the thread, never suspends. Callable from any thread.
    void lock() noexcept {
        int seen = free;
        if (!word_.compare_exchange_strong(seen, taken, std::memory_order_acquire)) [[unlikely]]
            lock_slowly();
    }
    void unlock() noexcept {
        if (word_.exchange(free, std::memory_order_release) == awaited) [[unlikely]]
            wake_one();
    }

  private:
    enum : int { free, taken, awaited };

    void lock_slowly() noexcept;
    void wake_one() noexcept;

    std::atomic<int> word_{free};
};

}  // namespace ramie::detail
