// The calls that must not be looked up late.
#pragma once

#include <atomic>

namespace ramie::monkey::detail {

// What a handler, and a child before it starts another program, is likely to call of all that it
// may (signal-safety(7)). To look for a plain call then would be wrong: the loader's lock may be
// held, by who was interrupted or by a thread that the child does not have. Not sooner than when
// there is a handler or a child: programs without need not pay for it.
inline constinit std::atomic<bool> has_signal_safe_calls{false};
void look_up_signal_safe_calls() noexcept;
inline void find_signal_safe_calls() noexcept {
    if (!has_signal_safe_calls.load(std::memory_order_relaxed)) [[unlikely]]
        look_up_signal_safe_calls();
}

}  // namespace ramie::monkey::detail
