// What the calling thread's loop itself works with, for who closes descriptors by the range.
#pragma once

#include <array>

namespace ramie::detail {

// In ascending order; -1: none. Never suspends.
[[nodiscard]] std::array<int, 2> loop_descriptors() noexcept;

}  // namespace ramie::detail
