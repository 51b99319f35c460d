// The listeners that ramie made non-blocking, and not their owners. The mode belongs to the open
// file, which several processes may share: so do they share this list.
#pragma once

namespace ramie::monkey::detail {

// Before the mode is set.
void note_made_nonblocking(int fd) noexcept;

// The owner has chosen a mode now.
void note_mode_chosen(int fd) noexcept;

// True when one of the processes that this one was forked from or with did it.
bool is_made_nonblocking(int fd) noexcept;

}  // namespace ramie::monkey::detail
