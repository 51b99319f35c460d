// Runs a model under one schedule after the other and finds the one that breaks it.
//
//     ramie::testing::explore(2000, [] {
//         ramie::event go;
//         auto waiter = ramie::spawn([&] { go.wait(); });
//         go.set();
//         waiter.join();                              // a lost wake-up is a deadlock_error
//         ramie::testing::require(go.is_set(), "the event stays set");
//     });
//
// A run fails when the model throws, a fiber of it ends with an exception that nobody takes, it
// deadlocks, never ends, or leaves a stack behind. Each run has a scheduler and a virtual clock of
// its own and the model is its main fiber; what was there before is set aside. Everything that the
// model touches must be made inside of it. What wakes is woken in order: only who of the ready
// fibers runs next is up to the schedule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace ramie::testing {

// What explore() and explore_all() throw. what() says what went wrong, and which value of the
// environment variable RAMIE_SEED repeats that run, and no other.
class exploration_failed : public std::runtime_error {
  public:
    // Never suspends.
    exploration_failed(std::string seed, const std::string& what)
        : std::runtime_error(what), seed_(std::move(seed)) {}

    // The value for RAMIE_SEED. Never suspends.
    [[nodiscard]] const std::string& seed() const noexcept { return seed_; }

  private:
    std::string seed_;
};

struct explore_options {
    std::uint64_t first_seed = 1;
    std::size_t most_switches = 100'000;    // a run that takes more never ends
    std::function<bool()> has_failed = {};  // asked after each run, for a test framework
};

// Runs `model` with `seeds` seeds, or with as many as RAMIE_SEEDS says if those are more. Even
// seeds pick uniformly, odd ones by priorities (PCT: Burckhardt et al., A Randomized Scheduler with
// Probabilistic Guarantees of Finding Bugs, ASPLOS 2010) that change at none to three random steps.
// Returns the number of runs. Throws exploration_failed; std::logic_error when it is not called
// from the main fiber. Never suspends: the fibers around it stand still meanwhile.
std::uint64_t explore(std::uint64_t seeds, const std::function<void()>& model,
                      const explore_options& = {});

struct explore_all_options {
    unsigned preemptions = 2;           // in one run
    std::uint64_t most_runs = 100'000;  // a model that needs more is too large
    std::size_t most_switches = 10'000;
    std::function<bool()> has_failed = {};
};

// Runs `model` with every schedule there is, depth first, up to a number of pre-emptions (CHESS:
// Musuvathi and Qadeer, Iterative Context Bounding, PLDI 2007). Who runs after a fiber that waits
// or has ended is free; to choose another than the next in line after a yield, or to leave at
// preempt(), is a pre-emption. Returns the number of runs. Throws as explore(), and
// std::length_error when `most_runs` were not enough. Never suspends, as explore().
std::uint64_t explore_all(const std::function<void()>& model, const explore_all_options& = {});

// A place in a model where another thread would be allowed to come in between: a schedule may leave
// here. Does nothing otherwise. Suspends the calling fiber.
void preempt();

// Throws std::logic_error with this text unless `holds`. Never suspends.
void require(bool holds, const char* text);

// Of the run that explore() makes now, for what else is to differ; 0 outside. Never suspends.
[[nodiscard]] std::uint64_t seed() noexcept;

}  // namespace ramie::testing
