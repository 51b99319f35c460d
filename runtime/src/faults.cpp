#include "ramie/testing/faults.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "ramie/testing/explore.hpp"

namespace ramie::testing {

namespace {

constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

std::size_t rest_of(const std::optional<std::size_t>& limit, std::size_t done) noexcept {
    return limit ? *limit - std::min(*limit, done) : unlimited;
}

}  // namespace

fault_source::fault_source(const fault_plan& plan) noexcept
    : plan_(plan), random_(plan.seed != 0 ? plan.seed : seed()) {}

fault_source::decision fault_source::next_read(std::size_t wanted) noexcept {
    return next(in_, wanted, rest_of(plan_.end_after, in_.moved));
}

fault_source::decision fault_source::next_write(std::size_t wanted) noexcept {
    return next(out_, wanted, unlimited);
}

fault_source::decision fault_source::next(direction& way, std::size_t wanted,
                                          std::size_t until_end) noexcept {
    const std::size_t until_reset = rest_of(plan_.reset_after, in_.moved + out_.moved);
    if (until_reset == 0) return {outcome::resets};
    if (until_end == 0) return {outcome::ends};
    // Once for each transfer, or it might never come about.
    if (!std::exchange(way.waited, !way.waited)) {
        if (random_.chance(plan_.delays)) return {outcome::waits, 0, plan_.delay};
        if (random_.chance(plan_.spurious_wakes)) return {outcome::waits};
        way.waited = false;
    }
    std::size_t most = std::min({wanted, until_end, until_reset});
    if (most > 1 && random_.chance(plan_.short_transfers))
        most = 1 + static_cast<std::size_t>(random_.below(most - 1));
    return {outcome::moves, most};
}

}  // namespace ramie::testing
