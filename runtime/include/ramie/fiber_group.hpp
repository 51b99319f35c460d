// Waiting for, and ending, several fibers at once. Included by <ramie/fiber.hpp>.
//
//     std::vector<ramie::fiber<int>> workers = ...;
//     ramie::join_all(workers, 10s);                 // false: some still run
//     auto first = ramie::wait_any(workers);         // index of one that has ended
//     ramie::kill_all(workers);
#pragma once

#include <iterator>
#include <optional>
#include <ranges>
#include <vector>

#include "ramie/fiber.hpp"

namespace ramie {

// What join_all does with the exceptions of the fibers.
enum class on_error : std::uint8_t { ignore, rethrow };

namespace detail {
bool join_all(const std::vector<fiber_base>&, on_error, deadline);
void kill_all(const std::vector<fiber_base>&, std::exception_ptr, deadline);
std::vector<std::size_t> wait_some(const std::vector<fiber_base>&, std::size_t count, deadline);

template <class Range>
std::vector<fiber_base> handles_of(const Range& fibers) {
    return std::vector<fiber_base>(std::ranges::begin(fibers), std::ranges::end(fibers));
}
}  // namespace detail

template <class Range>
concept fiber_range = std::ranges::input_range<const Range> &&
    std::derived_from<std::ranges::range_value_t<const Range>, fiber_base>;

// Waits for the end of all; true when all have ended, false at the deadline. With
// on_error::rethrow it throws the first failure in time, at once. Suspends the calling fiber.
template <fiber_range Range>
bool join_all(const Range& fibers, on_error policy, deadline until = {}) {
    return detail::join_all(detail::handles_of(fibers), policy, until);
}
template <fiber_range Range>
bool join_all(const Range& fibers, deadline until = {}) {
    return detail::join_all(detail::handles_of(fibers), on_error::ignore, until);
}

// Kills all and waits for their end. Those that have not started are ended before any other fiber
// runs, unless the destructor of a callable waits. Throws timeout_expired when some are alive at
// the deadline. Suspends the calling fiber.
template <fiber_range Range>
void kill_all(const Range& fibers, deadline until = {}, std::exception_ptr error = nullptr) {
    detail::kill_all(detail::handles_of(fibers), std::move(error), until);
}

// Waits until `count` have ended; their indexes in the order of their ends. At the deadline those
// that have ended so far, perhaps none. Suspends the calling fiber.
template <fiber_range Range>
std::vector<std::size_t> wait_some(const Range& fibers, std::size_t count, deadline until = {}) {
    return detail::wait_some(detail::handles_of(fibers), count, until);
}

// The index of one that has ended, the first in time; nothing at the deadline or of an empty range.
// Suspends the calling fiber.
template <fiber_range Range>
std::optional<std::size_t> wait_any(const Range& fibers, deadline until = {}) {
    const auto ended = wait_some(fibers, 1, until);
    return ended.empty() ? std::nullopt : std::optional(ended.front());
}

}  // namespace ramie
