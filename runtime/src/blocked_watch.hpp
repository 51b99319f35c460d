// Looks after the loops of this process, see ramie/blocked.hpp.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace ramie::detail {

// What a scheduler tells of itself: written by its thread, read by the one that looks.
class heartbeat {
  public:
    explicit heartbeat(pid_t thread, std::int64_t now_ns) noexcept
        : thread_(thread), since_(now_ns) {}

    // Around a wait for events.
    void rest() noexcept { since_.store(resting, std::memory_order_relaxed); }
    void beat(std::int64_t now_ns) noexcept { since_.store(now_ns, std::memory_order_relaxed); }

    // When fibers were last let run; `resting` while the loop waits.
    [[nodiscard]] std::int64_t since() const noexcept {
        return since_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] pid_t thread() const noexcept { return thread_; }

    static constexpr std::int64_t resting = 0;

    // Kept by the thread that looks.
    std::int64_t reported_since = 0;  // which hold was reported or left out
    std::int64_t last_report = 0;
    std::uint64_t unreported = 0;

  private:
    const pid_t thread_;
    std::atomic<std::int64_t> since_;
};

// Before a scheduler looks after its own forks.
void prepare_loop_watch();

// For the calling thread's scheduler, in place of the one that it has; null while nobody wants
// reports.
std::shared_ptr<heartbeat> watch_this_loop(std::shared_ptr<heartbeat> now);

}  // namespace ramie::detail
