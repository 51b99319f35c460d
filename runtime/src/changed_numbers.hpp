// The numbers that were closed, or whose waiters are to look again, where no scheduler may be
// touched: on another thread, on a loop, in a signal handler. Who tells writes without a lock or
// memory; every loop reads in its own time.
#pragma once

#include <cstdint>

namespace ramie::detail {

// Of one that is closed when its generation has been changed. Wakes every loop.
// Async-signal-safe. Callable from any thread.
void note_changed_number(int fd) noexcept;

// How far one loop has read.
class changed_numbers {
  public:
    changed_numbers() noexcept { skip(); }

    // What was told until now is nothing to this loop.
    void skip() noexcept;

    [[nodiscard]] bool empty() const noexcept;

    // The next one. -1 when some cannot be read any more, or not yet: any number may be meant, and
    // all until now count as read.
    int take() noexcept;

  private:
    std::uint32_t next_;
};

}  // namespace ramie::detail
