// Sleeping on a fiber.
#pragma once

#include <chrono>

#include "calls.hpp"

namespace ramie::monkey::detail {

// timed_out when it slept to the end, interrupted when it was killed or a timeout scope expired.
// Suspends the calling fiber.
wake sleep_on_fiber(deadline until) noexcept;

}  // namespace ramie::monkey::detail
