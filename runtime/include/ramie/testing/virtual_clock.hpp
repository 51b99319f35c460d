// Makes time a thing that a test controls.
//
//     ramie::testing::virtual_clock clock;
//     ramie::this_fiber::sleep_for(1h);         // takes microseconds
//     EXPECT_EQ(clock.elapsed(), 1h);
//
// For the scheduler of the calling thread: when every fiber is parked and the kernel has nothing
// for them, the clock jumps to the next timer. It never stands behind the real one when it is made,
// and moves by nothing else but advance().
//
// What is written to a socket or pipe of the same machine arrives before the clock jumps: while a
// fiber waits for a descriptor, or for another thread, the loop first waits for them in real time,
// for `grace`. Where more time is needed (another process that computes), say so.
#pragma once

#include <chrono>
#include <cstdint>

namespace ramie::testing {

class virtual_clock {
  public:
    // Throws std::logic_error when this thread has one already. Never suspends.
    explicit virtual_clock(std::chrono::nanoseconds grace = std::chrono::milliseconds(1));
    ~virtual_clock();
    virtual_clock(const virtual_clock&) = delete;
    virtual_clock& operator=(const virtual_clock&) = delete;

    // Since it was made. Never suspends.
    [[nodiscard]] std::chrono::nanoseconds elapsed() const noexcept;

    // Moves it by hand. Never suspends.
    void advance(std::chrono::nanoseconds) noexcept;

  private:
    std::int64_t start_;
};

}  // namespace ramie::testing
