// What a thread tells the fiber that waits for it: that it is done.
#pragma once

#include <memory>

#include "ramie/detail/descriptors.hpp"
#include "ramie/detail/wait_queue.hpp"
#include "ramie/post.hpp"

namespace ramie::detail {

// Made by a fiber. Shared, because a fiber that is killed leaves, and the thread does not know.
class thread_reply : public std::enable_shared_from_this<thread_reply> {
  public:
    // Callable from any thread.
    void tell() {
        home_.post([self = shared_from_this()] {
            self->told_ = true;
            self->waiting_.wake_all();
        });
    }

    // Until it was told: granted; else the deadline or an interrupt, which stays pending, ended the
    // wait. Suspends the calling fiber.
    wake wait(const wait_kind& kind, deadline until) {
        while (!told_) {
            const wake reason = waiting_.wait(kind, this, until);
            if (reason == wake::granted || was_taken_back(reason)) continue;
            return told_ ? wake::granted : reason;
        }
        return wake::granted;
    }

  private:
    const scheduler_handle home_ = this_scheduler();
    bool told_ = false;  // of home's thread only, like the queue
    wait_queue waiting_;
};

}  // namespace ramie::detail
