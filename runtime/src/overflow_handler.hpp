#pragma once
// Says which fiber overflowed its stack, or that the loop did, in one line on stderr, before the
// process dies of it.
//
//     install_overflow_handler(&describe_running_fiber);  // once per process
//     alternate_signal_stack here;                        // in each thread that runs fibers

#include <cstddef>
#include <cstdint>

namespace ramie::detail {

struct running_stack {
    const std::byte* guard_begin = nullptr;
    const std::byte* guard_end = nullptr;
    std::size_t stack_size = 0;  // guard included
    std::uint64_t fiber_id = 0;
    const char* name = nullptr;  // null or empty: it has none
    bool is_loop = false;        // of the scheduler itself, and no fiber's
};

// Describes the stack that the calling thread runs on, when it is one of ours; else false. Called
// inside a signal handler: async-signal-safe calls only.
using running_stack_query = bool (*)(running_stack&) noexcept;

// Handles SIGSEGV and SIGBUS; only the first call counts. A fault in the running stack's guard is
// reported and then left to the action that was installed before, as every other fault is.
void install_overflow_handler(running_stack_query query);

// Gives the calling thread a stack for signal handlers, unless it has one. Made and destroyed on
// the same thread. The constructor throws std::system_error.
class alternate_signal_stack {
  public:
    alternate_signal_stack();
    ~alternate_signal_stack();
    alternate_signal_stack(const alternate_signal_stack&) = delete;
    alternate_signal_stack& operator=(const alternate_signal_stack&) = delete;

  private:
    std::byte* mapping_ = nullptr;  // a guard page, then the stack
    std::size_t mapped_ = 0;
};

}  // namespace ramie::detail
