// Makes the plain libc calls of a test fail as a bad network would: what goes wrong, and how often,
// is told by a plan.
//
//     ramie::monkey::patch_all();
//     ramie::monkey::fault_injection faults({.seed = 7, .short_transfers = 0.5, .delays = 0.1});
//     fetch_with_a_c_library(url);
//
// For stream sockets, in fibers of this thread: recv, send and their kin, read and write, and the
// native streams of ramie::net, which call them. While no injection lives, the calls are the same
// as without this header.
#pragma once

#include <memory>

#include "ramie/testing/faults.hpp"

namespace ramie::monkey {

class fault_injection {
  public:
    // Every stream socket has the plan for itself. Never suspends.
    explicit fault_injection(const testing::fault_plan&);

    // One descriptor, for as long as it is this file; goes before a plan for all. Never suspends.
    fault_injection(int fd, const testing::fault_plan&);

    // On the thread that made it. What was delayed is delivered. Never suspends.
    ~fault_injection();
    fault_injection(const fault_injection&) = delete;
    fault_injection& operator=(const fault_injection&) = delete;

    class state;

  private:
    std::unique_ptr<state> state_;
};

}  // namespace ramie::monkey
