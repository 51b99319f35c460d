// What a piece of code has left behind on this thread, in words.
//
//     const ramie::testing::leak_check leaks;
//     serve_one_request();
//     EXPECT_EQ(leaks.found(), "");      // "fiber 7 "reader": parked, waits for an event"
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace ramie::testing {

class leak_check {
  public:
    // Remembers what there is now, a scheduler of this thread included. Never suspends.
    leak_check();

    // Fibers that were started since and still live, armed timers that are more than before, stacks
    // that ended fibers keep because of a handle. Empty: none. Never suspends.
    [[nodiscard]] std::string fibers() const;

    // Descriptors of this process that were opened since, and what they are. A scheduler's own do
    // not count, but for those that Asio opens with its first use. Empty: none. Never suspends.
    [[nodiscard]] std::string descriptors() const;

    // Both. Never suspends.
    [[nodiscard]] std::string found() const { return fibers() + descriptors(); }

    // Throws std::logic_error that says what was found. Never suspends.
    void require_none() const;

  private:
    std::uint64_t last_fiber_;
    std::size_t timers_;
    std::size_t stacks_;
    std::vector<int> descriptors_;
};

}  // namespace ramie::testing
