// Picks the next ready fiber at random, for as long as it lives: explore() for one run, and in a
// test that has its own reasons for real sockets or real time.
//
//     ramie::testing::seeded_scheduler schedule(testing::Test::HasFailure);
//     serve_and_fetch();                              // RAMIE_SEED, or a new seed
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace ramie::testing {

class seeded_scheduler {
  public:
    // For the scheduler of the calling thread. Without a seed: RAMIE_SEED, unless that is a path of
    // explore_all(), or a new one. `has_failed` asks a test framework at the end. Throws
    // std::logic_error when this thread has one already. Never suspends.
    explicit seeded_scheduler(std::function<bool()> has_failed = {});
    explicit seeded_scheduler(std::uint64_t seed, std::function<bool()> has_failed = {});
    // Says its seed on stderr when an exception is why it ends, or the test has failed. Never
    // suspends.
    ~seeded_scheduler();
    seeded_scheduler(const seeded_scheduler&) = delete;
    seeded_scheduler& operator=(const seeded_scheduler&) = delete;

    // Never suspends.
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

  private:
    class policy;
    std::uint64_t seed_;
    int exceptions_;
    std::function<bool()> has_failed_;
    std::unique_ptr<policy> policy_;
};

}  // namespace ramie::testing
