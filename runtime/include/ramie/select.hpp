// The first of several things that happens, and only that one.
//
//     ramie::select(ramie::on_get(inbox, [&](message m) { handle(m); }),
//                   ramie::on_put(outbox, reply, [&] { ++sent; }),
//                   ramie::on_set(stopped, [&] { done = true; }),
//                   5s);
//
// Included by <ramie/queue.hpp>; for its queues, channels and events.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/detail/select_case.hpp"
#include "ramie/event.hpp"

namespace ramie {

// Gets an item of a queue or channel and calls `f` with it. Never suspends.
template <class Source, class F>
[[nodiscard]] auto on_get(Source& from, F f) {
    return detail::get_case<Source, F>(from, std::move(f));
}

// Puts `item` into a queue or channel and calls `f()`. The case owns the item: one that another
// case was faster than is destroyed with it, so that what is still wanted then is passed as a copy.
// Never suspends.
template <class Target, class F = detail::do_nothing>
[[nodiscard]] auto on_put(Target& to, typename Target::value_type item, F f = {}) {
    return detail::put_case<Target, F>(to, std::move(item), std::move(f));
}

// Waits until the event is set and calls `f()`. Never suspends.
template <class F = detail::do_nothing>
[[nodiscard]] auto on_set(event& e, F f = {}) {
    return detail::event_case<F>(e, std::move(f));
}

// Waits until one of the cases can happen, and makes that one happen: its number, or nothing when
// the deadline, an optional last argument, passes before. Of several that can happen now each is as
// likely; the others leave no trace. Throws queue_shutdown when a case can never happen any more,
// std::logic_error when what one waits for is destroyed, and what its function throws. Suspends the
// calling fiber.
template <class... Cases>
std::optional<std::size_t> select(Cases&&... cases) {
    std::array<detail::select_case*, sizeof...(Cases)> all{};
    std::size_t count = 0;
    deadline until;
    const auto sort = [&](auto& each) {
        if constexpr (std::derived_from<std::remove_cvref_t<decltype(each)>, detail::select_case>)
            all[count++] = &each;
        else
            until = each;
    };
    (sort(cases), ...);
    return detail::select_among({all.data(), count}, until);
}

}  // namespace ramie
