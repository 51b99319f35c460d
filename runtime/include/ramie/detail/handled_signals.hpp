// What a signal's handler that has run on a thread with fibers means to them: the libc call that
// the main fiber waits in may end with EINTR, as that of a thread would, and pause() ends wherever
// it is.
#pragma once

#include <atomic>
#include <cstdint>

#include "ramie/detail/wait_queue.hpp"

namespace ramie::detail {

// The signal that on_blocked() uses, 0 while it does not. Its handler looks at the running fiber,
// so nothing may be put in front of it.
inline constinit std::atomic<int> probe_signal{0};

// To be called by the handler. `reach`: nothing, when one fiber's call has asked for the signal;
// always, when only the calls that never restart are ended by it. Async-signal-safe. Never
// suspends.
void note_handler_ran(handler_ends reach) noexcept;

// True on the main fiber: a handler that has run ends a call of it. Never suspends.
[[nodiscard]] bool handlers_end_calls() noexcept;

// How many did on the calling fiber's thread. Never suspends.
[[nodiscard]] std::uint64_t handlers_run() noexcept;

// Who waits here is woken when one has run. Never suspends.
[[nodiscard]] wait_queue& waiting_for_handler() noexcept;

}  // namespace ramie::detail
