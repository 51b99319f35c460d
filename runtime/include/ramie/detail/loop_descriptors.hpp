// The numbers that the loops themselves work with: nobody else may close them.
#pragma once

namespace ramie::detail {

// Of the calling process, from now on; a forked child keeps its own only. Callable from any thread.
void keep_descriptor(int fd) noexcept;
// Before who keeps it closes it. Callable from any thread.
void give_up_descriptor(int fd) noexcept;

// Async-signal-safe. Callable from any thread.
[[nodiscard]] bool is_kept_descriptor(int fd) noexcept;

}  // namespace ramie::detail
