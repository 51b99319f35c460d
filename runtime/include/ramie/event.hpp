// A flag that fibers wait for, and a value that arrives later.
//
//     ramie::event started;
//     ramie::spawn([&] { prepare(); started.set(); });
//     started.wait();
//     ramie::async_result<int> answer;  ...  answer.set(42);  ...  int n = answer.get();
#pragma once

#include <cstdint>

#include "ramie/async_result.hpp"
#include "ramie/deadline.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

// Belongs to one thread. Wakes in order of arrival. Destroyed while fibers wait for it, it wakes
// them with std::logic_error.
class event {
  public:
    // Never suspends.
    explicit event(bool set = false) noexcept : set_(set) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    // Never suspends.
    ~event() { waiters_.close(); }

    // Wakes all who wait now; `set(); clear();` wakes them just the same. Never suspends.
    void set() noexcept;

    // Who was woken before is not called back. Never suspends.
    void clear() noexcept { set_ = false; }
    // Never suspends.
    [[nodiscard]] bool is_set() const noexcept { return set_; }

    // Waits until the event is set; false at the deadline. Behind those that were woken by the
    // last set() and have not run yet. Suspends the calling fiber.
    bool wait(deadline until = {});

    // For select(). Never suspends.
    void enqueue(detail::waiter& w) noexcept { waiters_.enqueue(w); }

  private:
    detail::wait_queue waiters_;
    std::uint32_t last_set_ = 0;  // place in the ready queue behind those woken by set()
    bool set_;
};

}  // namespace ramie
