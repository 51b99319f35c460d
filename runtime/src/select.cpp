#include <algorithm>
#include <random>
#include <stdexcept>
#include <vector>

#include "ramie/detail/select_case.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

constexpr wait_kind one_of_several{"one of several things"};

// Which of those that are ready happens is decided anew each time; in a test, by its schedule.
std::size_t any_below(std::size_t n) {
    if (n == 1) return 0;
    if (auto* const hook = scheduler::get().hook())
        return hook->choose(static_cast<std::uint32_t>(n));
    static thread_local std::minstd_rand random(std::random_device{}());
    return random() % n;
}

using cases = std::span<select_case* const>;

// Tries them in random order, from what is left of them each time.
std::optional<std::size_t> try_any(cases all) {
    std::vector<std::size_t> left(all.size());
    for (std::size_t i = 0; i != left.size(); ++i) left[i] = i;
    while (!left.empty()) {
        const std::size_t at = any_below(left.size());
        const std::size_t chosen = std::exchange(left[at], left.back());
        left.pop_back();
        if (all[chosen]->try_now()) return chosen;
    }
    return std::nullopt;
}

struct enlistment {
    explicit enlistment(cases c) : all(c) {
        for (select_case* each : all) {
            each->won = false;
            each->enlist();
        }
    }
    ~enlistment() {
        for (select_case* each : all) each->withdraw();
    }
    enlistment(const enlistment&) = delete;
    enlistment& operator=(const enlistment&) = delete;
    cases all;
};

wake wait_for_any(cases all, deadline until) {
    const enlistment here(all);
    return scheduler::get().park(one_of_several, nullptr, until);
}

std::optional<std::size_t> winner_of(cases all) {
    const auto won = std::ranges::find_if(all, [](const select_case* c) { return c->won; });
    if (won == all.end()) return std::nullopt;
    (*won)->finish();
    return static_cast<std::size_t>(won - all.begin());
}

// Nothing at the deadline.
std::optional<std::size_t> happen(cases all, deadline until) {
    for (;;) {
        if (const auto ready = try_any(all)) return ready;
        const wake reason = wait_for_any(all, until);
        if (reason == wake::closed)
            throw wait_target_destroyed("ramie: select() waited for what was destroyed meanwhile");
        if (const auto won = winner_of(all)) return won;
        if (reason == wake::timed_out) return std::nullopt;
        raise_interrupt();
    }
}

}  // namespace

std::optional<std::size_t> select_among(cases all, deadline until) {
    waiting_fiber("select");
    for (select_case* each : all) each->was_passed_over = false;  // by an earlier select()
    const auto chosen = happen(all, until);
    if (chosen) all[*chosen]->run();
    return chosen;
}

}  // namespace ramie::detail
