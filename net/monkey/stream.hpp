// A FILE whose descriptor can wait, on fibers.
//
// A fiber parks only between two calls of libc: before one that would have to fill the buffer,
// until the descriptor is readable. So the FILE is in order whenever somebody else may look at it.
// How it is written to, stream_output.hpp says.
#pragma once

#include <cstdio>

#include "calls.hpp"

namespace ramie::monkey::detail {

// Of FILE::_flags; only the error and end indicators are in libc's public headers.
enum file_flag : int {
    is_unbuffered = 0x2,
    is_read_only = 0x8,
    has_seen_end = 0x10,
    has_seen_error = 0x20,
    is_in_backup = 0x100,
    is_line_buffered = 0x200,
    is_being_written = 0x800,
    is_appending = 0x1000,
};

inline bool has(const FILE* stream, file_flag flag) noexcept {
    return (stream->_flags & flag) != 0;
}

// What a number means is known while sockets are patched.
inline bool is_patched(const FILE* stream) noexcept {
    return on_fiber(family::stdio) && is_on(family::socket) && stream != nullptr;
}

// True when its descriptor is one that can wait. Wide streams are left to libc.
[[nodiscard]] bool is_kind_that_waits(FILE*) noexcept;

// The same, and the owner did not ask for non-blocking.
[[nodiscard]] bool may_wait(FILE*) noexcept;

// In a forked child, first of all: the other fibers are gone, and libc has set its own locks free.
void forget_parents_streams() noexcept;

// True when a fiber of this thread is using it.
[[nodiscard]] bool is_in_use(const FILE*) noexcept;

// What flockfile() is to threads, for the fibers of one thread, and flockfile() itself for the
// threads. May be taken again by the fiber that has it.
class stream_turn {
  public:
    // Suspends the calling fiber.
    explicit stream_turn(FILE*) noexcept;
    ~stream_turn();
    stream_turn(const stream_turn&) = delete;
    stream_turn& operator=(const stream_turn&) = delete;

    // What flockfile() takes has no scope.
    static bool hold(FILE*) noexcept;
    static bool give_back(FILE*) noexcept;

  private:
    friend bool is_in_use(const FILE*) noexcept;
    static const fiber_core* user_of(const FILE*) noexcept;

    FILE* const stream_;
    const fiber_core* const user_;
    stream_turn* next_ = nullptr;
    bool has_no_scope_ = false;
};

// Bytes that can be had without asking the kernel.
[[nodiscard]] std::size_t buffered(const FILE*) noexcept;

// False, with errno, when the fiber was interrupted. Suspends the calling fiber.
bool wait_until_ready(int fd, direction, deadline until) noexcept;

// Waits until a call that fills the buffer comes back at once. False, with errno and the error
// indicator, when it was killed or timed out. Suspends the calling fiber.
bool wait_until_readable(FILE*) noexcept;

// As getc_unlocked(). Suspends the calling fiber.
int next_byte(FILE*) noexcept;

}  // namespace ramie::monkey::detail
