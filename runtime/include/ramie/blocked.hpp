// Finds the call that holds up the loop: one that blocks the thread, or computes for too long.
//
//     ramie::on_blocked({}, 50ms);                      // a report on stderr, or:
//     ramie::on_blocked([](const ramie::blocked_report& r) { log(r.fiber, r.stack); });
//     // or without a word in the program:  RAMIE_BLOCKED_MS=50 ./server
//
// A thread looks after every scheduler of the process. When one has not come back to its loop for
// the threshold, a signal (SIGRTMAX - 3) takes the native stack of what runs there. A scheduler
// that waits for events is never reported. Off by default: then it costs nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ramie {

struct blocked_report {
    std::string fiber;                    // as dump() names it; "the loop" outside of fibers
    std::uint64_t id = 0;                 // of the fiber; 0 outside of fibers
    std::chrono::nanoseconds held_for{};  // until now
    std::vector<std::string> stack;       // a line for each frame, the innermost first
    std::uint64_t unreported = 0;         // of this thread, left out since its last report
};

using blocked_handler = std::function<void(const blocked_report&)>;

// Reports from now on whenever a fiber of any thread holds its loop for `threshold` or longer, once
// for each time and at most once a second for each thread. `f` is called on the thread that looks
// after the others; without one the report goes to stderr. It replaces what was set before;
// a threshold of 0 ends it. What `f` throws goes to stderr. The signal may end a call that blocks
// and that no flag restarts (nanosleep) with EINTR. Throws std::system_error when the thread cannot
// be started. Callable from any thread.
void on_blocked(blocked_handler f,
                std::chrono::milliseconds threshold = std::chrono::milliseconds(50));

}  // namespace ramie
