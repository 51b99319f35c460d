#include "ramie/testing/explore.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string_view>

#include "supervised_run.hpp"

namespace ramie::testing {

namespace {

using detail::every_schedule;
using detail::schedule;

thread_local std::uint64_t current_seed = 0;

std::string_view variable(const char* name) noexcept {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string_view{} : value;
}

constexpr std::string_view path_prefix = "path:";

// What RAMIE_SEED says to explore(), and to explore_all().
std::optional<std::uint64_t> wanted_seed() {
    const std::string_view text = variable("RAMIE_SEED");
    if (text.empty() || text.starts_with(path_prefix)) return {};
    return std::strtoull(text.data(), nullptr, 0);
}

std::optional<std::string_view> wanted_path() {
    const std::string_view text = variable("RAMIE_SEED");
    if (!text.starts_with(path_prefix)) return {};
    return text.substr(path_prefix.size());
}

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
    const std::uint64_t asked = std::strtoull(
        variable("RAMIE_SEEDS").data() == nullptr ? "0" : variable("RAMIE_SEEDS").data(), nullptr,
        0);
    const std::uint64_t count = std::max(seeds, asked);
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
