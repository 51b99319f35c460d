// From any thread into a scheduler.
//
//     auto here = ramie::this_scheduler();
//     std::thread([here] { here.post([] { ramie::spawn(on_news); }); }).detach();
//
// While a handle exists, the scheduler waits for what may be posted instead of reporting a
// deadlock.
#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace ramie {

namespace detail {
class mailbox;
}

class scheduler_handle {
  public:
    // Runs `f` on the scheduler's loop, in order of posting: it must not suspend (spawn a fiber for
    // that). False, and `f` is dropped, when that scheduler has ended. Callable from any thread.
    bool post(std::function<void()> f) const;

    // True when called on the thread that this scheduler runs on. Callable from any thread.
    [[nodiscard]] bool is_current() const noexcept;

    // See this_scheduler(). Callable from any thread, like what follows.
    explicit scheduler_handle(std::shared_ptr<detail::mailbox> box) noexcept;
    scheduler_handle(const scheduler_handle&) noexcept;
    scheduler_handle& operator=(const scheduler_handle&) noexcept;
    ~scheduler_handle();

  private:
    void drop() noexcept;

    std::shared_ptr<detail::mailbox> mailbox_;
};

// The scheduler of the calling thread, made at the first use. Never suspends.
[[nodiscard]] scheduler_handle this_scheduler();

// The same as handle.post(f). Callable from any thread.
inline bool post(const scheduler_handle& to, std::function<void()> f) {
    return to.post(std::move(f));
}

}  // namespace ramie
