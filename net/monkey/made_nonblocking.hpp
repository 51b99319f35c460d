// The listeners that ramie made non-blocking, and not their owners. The mode belongs to the open
// file, which several processes may share: so do they share this list.
#pragma once

#include <atomic>

namespace ramie::monkey::detail {

// Before the first child and before the first entry: all children have the same list then.
inline constinit std::atomic<bool> has_shared_modes{false};
void make_shared_modes() noexcept;
inline void share_modes() noexcept {
    if (!has_shared_modes.load(std::memory_order_relaxed)) [[unlikely]]
        make_shared_modes();
}

// Before the mode is set.
void note_made_nonblocking(int fd) noexcept;

// The owner has chosen a mode now.
void note_mode_chosen(int fd) noexcept;

// True when one of the processes that this one was forked from or with did it.
bool is_made_nonblocking(int fd) noexcept;

}  // namespace ramie::monkey::detail
