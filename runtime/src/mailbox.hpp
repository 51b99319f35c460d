// What other threads post to a scheduler. The scheduler owns the receiving end and closes it when
// it ends; senders share the box for as long as they like.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ramie/detail/thread_lock.hpp"

namespace ramie::detail {

class remote_waiter;

class mailbox {
  public:
    // Throws std::system_error when no event descriptor can be had.
    mailbox();
    ~mailbox();
    mailbox(const mailbox&) = delete;
    mailbox& operator=(const mailbox&) = delete;

    // Appends and wakes the reactor; false when the box is closed or of a parent process. Callable
    // from any thread.
    bool post(std::function<void()> f);

    // Wakes the reactor. Async-signal-safe. Callable from any thread.
    void ring() noexcept;

    // Becomes readable when something was posted.
    [[nodiscard]] int descriptor() const noexcept { return event_fd_; }

    // What was posted since the last call, in order. The scheduler's thread only.
    std::vector<std::function<void()>> take();

    // True when something was posted since then. Callable from any thread.
    [[nodiscard]] bool filled() const noexcept { return filled_.load(); }

    // Wakes a fiber of this scheduler, soon. Callable from any thread, and in a signal handler.
    void wake(remote_waiter&) noexcept;

    // Makes the fibers ready that wake() was called for. The scheduler's thread only.
    void run_wakes() noexcept;
    [[nodiscard]] bool has_wakes() const noexcept {
        return wakes_.load(std::memory_order_relaxed) != nullptr;
    }

    // True in a forked child, for a box that it inherited. Callable from any thread.
    [[nodiscard]] bool is_of_parent() const noexcept;

    // From now on post() refuses, and the descriptor is gone, though others may keep the box. The
    // scheduler's thread only.
    void close();

    // Handles that somebody holds: something may still be posted. Callable from any thread.
    std::atomic<int> handles{0};

  private:
    void close_descriptor() noexcept;

    int event_fd_;                     // -1 once it is closed
    const std::uint32_t process_;      // that made it
    std::atomic<bool> filled_{false};  // cheap test before the lock
    std::atomic<remote_waiter*> wakes_{nullptr};
    thread_lock mutex_;
    std::vector<std::function<void()>> posted_;
    bool closed_ = false;
};

// A new box that all_mailboxes() knows until it is closed.
std::shared_ptr<mailbox> make_mailbox();

// Rings every scheduler's. Async-signal-safe. Callable from any thread.
void ring_all() noexcept;

// Those of every scheduler in the process. Callable from any thread.
std::vector<std::shared_ptr<mailbox>> all_mailboxes();

// In a forked child: from now on nothing can be posted to the schedulers of its parent.
void forget_mailboxes_of_parent() noexcept;

}  // namespace ramie::detail
