// A FILE whose descriptor can wait, on fibers.
//
// A fiber parks only between two calls of libc: before one that would have to fill the buffer,
// until the descriptor is readable. So the FILE is in order whenever somebody else may look at it.
#pragma once

#include <cstdio>

#include "calls.hpp"

namespace ramie::monkey::detail {

// True when reading from it may wait and the owner did not ask for non-blocking. Wide streams are
// left to libc.
[[nodiscard]] bool may_wait(FILE*) noexcept;

// Once, before the first use. Callable from any thread.
void prepare_streams() noexcept;

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

// Waits until a call that fills the buffer comes back at once. False, with errno and the error
// indicator, when it was killed or timed out. Suspends the calling fiber.
bool wait_until_readable(FILE*) noexcept;

// As getc_unlocked(). Suspends the calling fiber.
int next_byte(FILE*) noexcept;

}  // namespace ramie::monkey::detail
