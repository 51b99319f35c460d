// A parked fiber that any thread may wake, without allocating and without a lock: a node in the
// frame of the fiber, which the mailbox of its scheduler links.
#pragma once

#include <atomic>
#include <memory>

#include "ramie/detail/wait_queue.hpp"

namespace ramie::detail {

class mailbox;
class scheduler;

class remote_waiter {
  public:
    // Of the calling fiber. Never suspends.
    remote_waiter() noexcept;
    // On the same fiber. A wake-up that is on its way is taken back.
    ~remote_waiter();
    remote_waiter(const remote_waiter&) = delete;
    remote_waiter& operator=(const remote_waiter&) = delete;

    // Parks until a wake-up, which may be one too many, or the deadline. A shielded wait is not
    // ended by a kill or a timeout. Suspends the calling fiber.
    wake park(const wait_kind&, const void* object, deadline, bool shielded) noexcept;

    // Callable from any thread, and in a signal handler, while this lives.
    void wake_up() noexcept;
    // The same, at once, by code of the fiber's own thread that is not in a signal handler.
    void wake_up_here() noexcept;

    [[nodiscard]] bool is_of_this_thread() const noexcept;
    [[nodiscard]] const scheduler* home() const noexcept { return home_; }

  private:
    friend class mailbox;

    fiber_core* const fiber_;
    scheduler* const home_;
    const std::shared_ptr<mailbox> box_;
    std::atomic<bool> on_its_way_{false};
    remote_waiter* next_ = nullptr;  // in the mailbox
};

}  // namespace ramie::detail
