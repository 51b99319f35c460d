// Sleeping on a fiber.
#pragma once

#include <chrono>

#include "calls.hpp"

namespace ramie::monkey::detail {

// timed_out when it slept to the end, interrupted when it was killed or a timeout scope expired.
// Suspends the calling fiber.
wake sleep_on_fiber(deadline until) noexcept;

// The same between two tries of a call that a signal's handler with SA_RESTART does not end.
// Suspends the calling fiber.
wake pause_on_fiber(deadline until) noexcept;

// True for a duration that the kernel takes.
bool is_valid(const timespec&) noexcept;

// So long from now; null: never.
deadline deadline_after(const timespec*) noexcept;

}  // namespace ramie::monkey::detail
