#include "ramie/testing/explore.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "supervised_run.hpp"

namespace ramie::testing {

namespace {

using detail::every_schedule;
using detail::schedule;
using detail::wanted_path;
using detail::wanted_seed;

thread_local std::uint64_t current_seed = 0;

[[noreturn]] void fail(const std::string& seed, std::uint64_t runs, const std::string& problem) {
    throw exploration_failed(seed, "ramie::testing: run " + std::to_string(runs) +
                                       " of the model failed: " + problem + "\nRAMIE_SEED=" + seed +
                                       " repeats it");
}

// Empty: all is well.
std::string problem_of(schedule& order, const std::function<void()>& model,
                       std::size_t most_switches, const std::function<bool()>& has_failed) {
    order.limit(most_switches);
    std::string problem = detail::run_under(order, model);
    if (problem.empty() && has_failed && has_failed()) problem = "the test has failed";
    return problem;
}

void run_with_seed(std::uint64_t seed, std::uint64_t number, const std::function<void()>& model,
                   const explore_options& options) {
    current_seed = seed;
    const auto order = detail::make_schedule(seed);
    const std::string problem =
        problem_of(*order, model, options.most_switches, options.has_failed);
    current_seed = 0;
    if (!problem.empty()) fail(std::to_string(seed), number, problem);
}

}  // namespace

std::uint64_t seed() noexcept { return current_seed; }

std::uint64_t explore(std::uint64_t seeds, const std::function<void()>& model,
                      const explore_options& options) {
    if (const auto wanted = wanted_seed()) {
        run_with_seed(*wanted, 1, model, options);
        return 1;
    }
    const char* const asked = std::getenv("RAMIE_SEEDS");
    const std::uint64_t count =
        std::max<std::uint64_t>(seeds, asked == nullptr ? 0 : std::strtoull(asked, nullptr, 0));
    for (std::uint64_t i = 0; i != count; ++i)
        run_with_seed(options.first_seed + i, i + 1, model, options);
    return count;
}

std::uint64_t explore_all(const std::function<void()>& model, const explore_all_options& options) {
    every_schedule order(options.preemptions);
    const auto wanted = wanted_path();
    if (wanted) order.follow(*wanted);
    for (std::uint64_t runs = 1;; ++runs) {
        order.begin();
        const std::string problem =
            problem_of(order, model, options.most_switches, options.has_failed);
        if (!problem.empty()) fail(order.path(), runs, problem);
        if (order.diverged())
            fail(order.path(), runs,
                 "it does not do the same each time: what does it touch that it did not make?");
        if (wanted || !order.advance()) return runs;
        if (runs == options.most_runs)
            throw std::length_error("ramie::testing: the model has more than " +
                                    std::to_string(runs) + " schedules; make it smaller");
    }
}

void require(bool holds, const char* text) {
    if (!holds) throw std::logic_error(text);
}

}  // namespace ramie::testing
