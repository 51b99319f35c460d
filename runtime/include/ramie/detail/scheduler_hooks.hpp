// What the patched calls want to hear of schedulers. Who is called must never suspend.
#pragma once

#include <atomic>

namespace ramie::detail {

class scheduler;

// Called once, before the first scheduler of the process is made; never when one has begun. Who
// sets it looks at `has_had_scheduler` after that.
inline constinit std::atomic<void (*)() noexcept> before_first_scheduler{nullptr};
inline constinit std::atomic<bool> has_had_scheduler{false};

// Called when a scheduler ends: fibers that it leaves behind will never leave the queues they are
// in.
inline constinit std::atomic<void (*)(const scheduler*) noexcept> at_scheduler_end{nullptr};

}  // namespace ramie::detail
