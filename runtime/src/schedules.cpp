#include "schedules.hpp"

#include <charconv>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <utility>

#include "scheduler.hpp"

namespace ramie::testing::detail {

using ramie::detail::fiber_state;
using ramie::detail::scheduler;

void schedule::left(fiber_core&) noexcept {
    if (left_over_ != 0) {
        --left_over_;
        return;
    }
    scheduler& mine = *ramie::detail::current_scheduler;
    if (!std::exchange(was_told_, true))
        mine.kill(mine.main_fiber(), std::make_exception_ptr(std::runtime_error(
                                         "it did not end within the allowed number of switches")));
    // Else a fiber that goes on after its kill, and never sleeps, would have all the time there is.
    mine.virtual_now += 10'000'000;
}

std::uint32_t uniform_schedule::pick(const ready_ring& ready, const fiber_core*) noexcept {
    return static_cast<std::uint32_t>(random_.below(ready.size()));
}

std::uint32_t uniform_schedule::choose(std::uint32_t count) noexcept {
    return static_cast<std::uint32_t>(random_.below(count));
}

// --- priorities ------------------------------------------------------------------------------

priority_schedule::priority_schedule(std::uint64_t seed, std::uint64_t first_id) noexcept
    : seed_(seed), first_id_(first_id), choices_(~seed) {
    seeded_random chosen(seed);
    // How long the run will be is not known: every order of magnitude gets its share of the seeds.
    const std::uint64_t steps = std::uint64_t{8} << chosen.below(8);
    const std::uint64_t count = chosen.below(changes_.size() + 1);
    for (std::uint64_t i = 0; i != count; ++i) changes_[i] = 1 + chosen.below(steps);
}

// The same in each run, whatever ran before it.
std::uint64_t priority_schedule::number_of(const fiber_core& f) const noexcept {
    return f.id == 0 ? 0 : f.id - first_id_ + 1;
}

std::uint64_t priority_schedule::priority_of(const fiber_core& f) const noexcept {
    constexpr std::uint64_t above_all_demoted = std::uint64_t{1} << 63;
    const auto found = demoted_.find(f.id);
    if (found != demoted_.end()) return above_all_demoted - found->second;
    return above_all_demoted | seeded_random::mix(seed_ ^ seeded_random::mix(number_of(f) + 1));
}

std::uint32_t priority_schedule::highest(const ready_ring& ready) const noexcept {
    std::uint32_t best = 0;
    for (std::uint32_t i = 1; i != ready.size(); ++i)
        if (priority_of(ready.peek(i)) > priority_of(ready.peek(best))) best = i;
    return best;
}

void priority_schedule::demote(const fiber_core& f) noexcept {
    demoted_[f.id] = demoted_.size() + step_;
}

std::uint32_t priority_schedule::pick(const ready_ring& ready, const fiber_core* leaving) noexcept {
    ++step_;
    if (leaving != nullptr && leaving->state == fiber_state::ready && !preempting) demote(*leaving);
    if (std::count(changes_.begin(), changes_.end(), step_) != 0)
        demote(ready.peek(highest(ready)));
    return highest(ready);
}

std::uint32_t priority_schedule::choose(std::uint32_t count) noexcept {
    return static_cast<std::uint32_t>(choices_.below(count));
}

std::unique_ptr<schedule> make_schedule(std::uint64_t seed, std::uint64_t first_id) {
    if (seed % 2 == 0) return std::make_unique<uniform_schedule>(seed);
    return std::make_unique<priority_schedule>(seed, first_id);
}

// --- what is wanted --------------------------------------------------------------------------

namespace {

std::string_view seed_variable() noexcept {
    const char* const value = std::getenv("RAMIE_SEED");
    return value == nullptr ? std::string_view{} : value;
}

}  // namespace

std::optional<std::uint64_t> wanted_seed() {
    const std::string_view text = seed_variable();
    if (text.empty() || text.starts_with(path_prefix)) return {};
    return std::strtoull(text.data(), nullptr, 0);
}

std::optional<std::string_view> wanted_path() {
    const std::string_view text = seed_variable();
    if (!text.starts_with(path_prefix)) return {};
    return text.substr(path_prefix.size());
}

// --- each in turn ----------------------------------------------------------------------------

void every_schedule::follow(std::string_view path) {
    follows_ = true;
    while (!path.empty()) {
        std::uint32_t taken = 0;
        const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), taken);
        if (error != std::errc{})
            throw std::invalid_argument("ramie::testing: RAMIE_SEED is no path of numbers");
        choices_.push_back({taken, 0, false});
        path.remove_prefix(static_cast<std::size_t>(end - path.data()));
        if (!path.empty()) path.remove_prefix(1);
    }
}

void every_schedule::begin() noexcept { at_ = 0; }

bool every_schedule::advance() noexcept {
    unsigned spent = 0;
    for (const choice& each : choices_) spent += each.cost();
    while (!choices_.empty()) {
        choice& last = choices_.back();
        spent -= last.cost();
        if (++last.taken < last.count && spent + last.cost() <= allowed_) return true;
        choices_.pop_back();
    }
    return false;
}

std::string every_schedule::path() const {
    std::size_t size = choices_.size();
    while (size != 0 && choices_[size - 1].taken == 0) --size;
    std::string text(path_prefix);
    for (std::size_t i = 0; i != size; ++i) {
        if (i != 0) text += '.';
        text += std::to_string(choices_[i].taken);
    }
    return text;
}

every_schedule::choice every_schedule::choice_of(const ready_ring& ready,
                                                 const fiber_core* leaving) noexcept {
    const bool could_go_on = leaving != nullptr && leaving->state == fiber_state::ready;
    return {0, static_cast<std::uint32_t>(ready.size()), could_go_on};
}

std::uint32_t every_schedule::take(const choice& here) noexcept {
    if (at_ == choices_.size()) choices_.push_back(here);
    const choice& made = choices_[at_++];
    if (made.count != here.count && !follows_) diverged_ = true;
    return std::min(made.taken, here.count - 1);
}

std::uint32_t every_schedule::pick(const ready_ring& ready, const fiber_core* leaving) noexcept {
    const choice here = choice_of(ready, leaving);
    const std::uint32_t taken = take(here);
    if (!preempting) return taken;
    // The default is to go on: the one that leaves is the last in the queue.
    return taken == 0 ? here.count - 1 : taken - 1;
}

std::uint32_t every_schedule::choose(std::uint32_t count) noexcept {
    return take({0, count, false});
}

}  // namespace ramie::testing::detail
