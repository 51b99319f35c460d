// Fibers that belong together, and how many of them may run.
//
//     ramie::pool downloads(100);
//     for (const auto& url : urls) downloads.spawn(fetch, url);      // waits while 100 run
//     downloads.join();
//     for (page& p : downloads.imap(urls, fetch)) index(p);          // in order
//
// For the fibers of one thread. A group that is destroyed leaves its fibers alone. Who asks for the
// result of a member that was killed gets future_cancelled: a kill ends the member only.
#pragma once

#include <concepts>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>

#include "ramie/detail/crew.hpp"
#include "ramie/detail/imap.hpp"
#include "ramie/fiber.hpp"

namespace ramie {

// As many fibers as you like.
class group {
  public:
    group() : group(std::numeric_limits<std::size_t>::max() / 2) {}

    // A fiber that is a member until it ends; waits while the group is full. A killed member that
    // had not started leaves at once. Suspends the calling fiber.
    template <class F, class... Args>
    auto spawn(F&& f, Args&&... args) {
        return detail::spawn_member(detail::vacancy::wait_for(crew_).value(), std::forward<F>(f),
                                    std::forward<Args>(args)...);
    }

    // The same; nothing when the group is full until the deadline. Suspends the calling fiber.
    template <class F, class... Args>
    auto spawn_until(deadline until, F&& f, Args&&... args)
        -> std::optional<fiber<detail::task_result<F, Args...>>> {
        auto place = detail::vacancy::wait_for(crew_, until);
        if (!place) return std::nullopt;
        return detail::spawn_member(std::move(*place), std::forward<F>(f),
                                    std::forward<Args>(args)...);
    }

    // The same unless the group is full. Never suspends.
    template <class F, class... Args>
    auto try_spawn(F&& f, Args&&... args) -> std::optional<fiber<detail::task_result<F, Args...>>> {
        if (!crew_->slots.try_acquire()) return std::nullopt;
        return detail::spawn_member(detail::vacancy(crew_, true), std::forward<F>(f),
                                    std::forward<Args>(args)...);
    }

    // What `f(args...)` returns or throws, run by a member; when it is a member of the full group
    // that asks, by that one. Suspends the calling fiber.
    template <class F, class... Args>
    auto apply(F&& f, Args&&... args) -> detail::task_result<F, Args...> {
        if (full() && crew_->has(detail::current_fiber))
            return std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
        return detail::take_result_of(spawn(std::forward<F>(f), std::forward<Args>(args)...));
    }

    // A member at once, which waits itself while the group is full: a fiber, with its stack, from
    // the beginning. A fiber_executor queues work that has no fiber yet. Never suspends.
    template <class F, class... Args>
    auto apply_async(F&& f, Args&&... args) {
        return detail::spawn_member(detail::vacancy(crew_, crew_->slots.try_acquire()),
                                    std::forward<F>(f), std::forward<Args>(args)...);
    }

    // `f(item)` of every item, run by members; the results in order, or nothing of a function that
    // returns nothing. Throws what the first item in order threw; the others go on. There are never
    // more fibers than the group may have. Suspends the calling fiber.
    template <std::ranges::input_range Range, class F>
    auto map(Range&& items, F f) {
        return detail::map_all(crew_, items, f);
    }

    // The same one by one: a range whose get() or iteration waits for the next result in order and
    // throws what that item threw; get() may be called again after that. Up to `ahead` results, at
    // least one, are made and not taken yet. `items` must outlive the range unless moved in. Throws
    // std::invalid_argument when `ahead` is 0. Never suspends.
    template <std::ranges::input_range Range, class F>
    auto imap(Range&& items, F f, std::size_t ahead = unbounded) {
        return detail::make_imap(detail::result_order::of_items, crew_,
                                 detail::keep_items(std::forward<Range>(items)), std::move(f),
                                 ahead);
    }

    // The same in the order in which they are ready. Never suspends.
    template <std::ranges::input_range Range, class F>
    auto imap_unordered(Range&& items, F f, std::size_t ahead = unbounded) {
        return detail::make_imap(detail::result_order::as_ready, crew_,
                                 detail::keep_items(std::forward<Range>(items)), std::move(f),
                                 ahead);
    }

    // Waits until there was no member; false at the deadline. Throws std::system_error (EDEADLK) on
    // a member. Suspends the calling fiber.
    bool join(deadline until = {}) const { return crew_->join(until); }

    // Kills every member, each once, and those that are added meanwhile, and waits for their ends;
    // false at the deadline. A member that calls it kills the others. Suspends the calling fiber.
    bool kill(deadline until = {}) const;

    // Waits until a member could be added; false at the deadline. Suspends the calling fiber.
    bool wait_available(deadline until = {}) const;

    // Never suspends.
    [[nodiscard]] std::size_t size() const noexcept { return crew_->members.size(); }
    [[nodiscard]] std::size_t free_count() const noexcept { return crew_->slots.permits(); }
    [[nodiscard]] bool full() const noexcept { return free_count() == 0; }

  protected:
    explicit group(std::size_t limit) : crew_(std::make_shared<detail::crew>(limit)) {}

  private:
    std::shared_ptr<detail::crew> crew_;
};

// At most `limit` at a time; the next wait in order of arrival.
class pool : public group {
  public:
    // Never suspends.
    explicit pool(std::size_t limit) : group(limit) {}
};

}  // namespace ramie

#include "ramie/task_group.hpp"
