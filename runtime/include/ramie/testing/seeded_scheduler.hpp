// Picks the next ready fiber at random, for as long as it lives: explore() for one run, and in a
// test that has its own reasons for real sockets or real time.
//
//     ramie::testing::seeded_scheduler schedule;      // RAMIE_SEED, or a new seed
//     serve_and_fetch();
#pragma once

#include <cstdint>
#include <memory>

namespace ramie::testing {

class seeded_scheduler {
  public:
    // For the scheduler of the calling thread. Without a seed: RAMIE_SEED, or a new one. Throws
    // std::logic_error when this thread has one already. Never suspends.
    seeded_scheduler();
    explicit seeded_scheduler(std::uint64_t seed);
    // Says its seed on stderr when an exception is why it ends. Never suspends.
    ~seeded_scheduler();
    seeded_scheduler(const seeded_scheduler&) = delete;
    seeded_scheduler& operator=(const seeded_scheduler&) = delete;

    // Never suspends.
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

  private:
    class policy;
    std::uint64_t seed_;
    int exceptions_;
    std::unique_ptr<policy> policy_;
};

}  // namespace ramie::testing
