// The results of group::map, imap and imap_unordered.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include "ramie/detail/crew.hpp"
#include "ramie/detail/item_iterator.hpp"
#include "ramie/detail/outcome.hpp"
#include "ramie/detail/queue_core.hpp"
#include "ramie/detail/wait_queue.hpp"
#include "ramie/errors.hpp"
#include "ramie/fiber.hpp"
#include "ramie/mutex.hpp"
#include "ramie/semaphore.hpp"

namespace ramie::detail {

enum class result_order : std::uint8_t { of_items, as_ready };

extern const wait_kind a_result_of_a_member;

// On their way from the members that make them to who takes them: values, so that no fiber that has
// ended keeps its stack for one.
template <class R>
class results {
    using line = std::list<outcome<R>>;

  public:
    // One that is being made. Left without it, it was killed.
    class entry {
      public:
        explicit entry(std::shared_ptr<results> to)
            : to_(std::move(to)), outside_(1), mine_(outside_.begin()) {
            ++to_->under_way_;
            if (to_->order_ == result_order::of_items) stand_in_line();
        }
        entry(entry&&) noexcept = default;
        entry& operator=(entry&&) = delete;
        ~entry() {
            if (to_ == nullptr) return;
            if (!mine_->is_known()) mine_->fail(killed_work());
            if (!outside_.empty()) stand_in_line();
            --to_->under_way_;
            to_->tell();
        }
        // Where nobody takes it any more an exception is the fiber's own, which is reported.
        template <class F>
        void keep(F f) {
            mine_->keep(std::move(f));
            if (!to_->wanted_) mine_->take();
        }

      private:
        void stand_in_line() noexcept { to_->line_.splice(to_->line_.end(), outside_); }

        std::shared_ptr<results> to_;
        line outside_;
        typename line::iterator mine_;
    };

    results(result_order order, std::size_t ahead)
        : order_(order), room_(std::min(ahead, unbounded / 2)) {
        if (ahead == 0)
            throw std::invalid_argument(
                "ramie: imap() with room for no result would never begin; `ahead` is at least 1");
    }

    // Waits until one more may be made; false when nobody wants it. Suspends the calling fiber.
    bool wait_for_room() {
        room_.acquire();
        return wanted_;
    }
    [[nodiscard]] bool wanted() const noexcept { return wanted_; }
    void started_all() noexcept {
        all_started_ = true;
        tell();
    }
    void drop() noexcept {
        wanted_ = false;
        room_.release();
        tell();
    }

    // Those who ask take turns. One that gives up leaves the result for the next call. Suspends the
    // calling fiber.
    R get(deadline until) {
        if (!turn_.lock(until)) throw timeout_expired("imap::get");
        const std::lock_guard mine(turn_, std::adopt_lock);
        const auto may_go_on = [this] { return is_next_known() || is_over(); };
        if (!may_go_on() && !wait_for_turn(taker_, a_result_of_a_member, this, until, may_go_on))
            throw timeout_expired("imap::get");
        if (!is_next_known()) throw queue_shutdown();
        outcome<R> next = std::move(line_.front());
        line_.pop_front();
        room_.release();
        return next.take();
    }

  private:
    [[nodiscard]] bool is_next_known() const noexcept {
        return !line_.empty() && line_.front().is_known();
    }
    [[nodiscard]] bool is_over() const noexcept {
        return !wanted_ || (all_started_ && under_way_ == 0 && line_.empty());
    }
    void tell() noexcept {
        if (is_next_known() || is_over()) taker_.wake_one();
    }

    const result_order order_;
    semaphore room_;
    line line_;  // in the order in which they are taken
    std::size_t under_way_ = 0;
    bool wanted_ = true;
    bool all_started_ = false;
    mutex turn_;
    wait_queue taker_;
};

// Has a member make `f(item)`; false when nobody wants it. Suspends the calling fiber.
template <class R, class F, class Item>
bool make_result(const std::shared_ptr<crew>& workers, const std::shared_ptr<results<R>>& to, F& f,
                 Item&& item) {
    if (!to->wait_for_room()) return false;
    auto place = vacancy::wait_for(workers);
    if (!to->wanted()) return false;
    spawn_member(
        std::move(*place),
        [mine = typename results<R>::entry(to), f](auto&& each) mutable {
            mine.keep([&]() -> R { return std::invoke(f, std::forward<decltype(each)>(each)); });
        },
        std::forward<Item>(item));
    return true;
}

// What the caller holds. When it is dropped, no more items are started.
template <class R>
class imap_range {
  public:
    using value_type = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
    imap_range(std::shared_ptr<results<R>> all, fiber<> feeder)
        : results_(std::move(all)), feeder_(std::move(feeder)) {}
    imap_range(imap_range&&) noexcept = default;
    imap_range& operator=(imap_range&&) = delete;
    ~imap_range() {
        if (results_ == nullptr) return;
        results_->drop();
        feeder_.try_kill();
    }

    // The next result. Throws what its item threw, future_cancelled when that was killed,
    // timeout_expired at the deadline, and at the end what the items themselves threw, or
    // queue_shutdown. Suspends the calling fiber.
    R get(deadline until = {}) {
        try {
            return results_->get(until);
        } catch (const queue_shutdown&) {
            feeder_.get(until);
            throw;
        }
    }
    item_iterator<imap_range> begin() { return item_iterator<imap_range>(*this); }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  private:
    std::shared_ptr<results<R>> results_;
    fiber<> feeder_;
};

// An lvalue is referred to, anything else moved in. As std::views::all, which clang++ 14 cannot
// compile with the library of g++ 12.
template <class Range>
struct borrowed_items {
    Range* range;
    auto begin() const { return std::ranges::begin(*range); }
    auto end() const { return std::ranges::end(*range); }
};
template <class Range>
auto keep_items(Range&& items) {
    using range = std::remove_cvref_t<Range>;
    if constexpr (std::is_lvalue_reference_v<Range> && !std::ranges::view<range>)
        return borrowed_items<std::remove_reference_t<Range>>{std::addressof(items)};
    else
        return range(std::forward<Range>(items));
}

template <class F, class Range>
using mapped_t = std::invoke_result_t<F&, std::ranges::range_reference_t<Range>>;

template <class Items, class F>
auto make_imap(result_order order, std::shared_ptr<crew> workers, Items items, F f,
               std::size_t ahead) {
    using R = mapped_t<F, Items>;
    auto all = std::make_shared<results<R>>(order, ahead);
    auto feeder = spawn(
        [all, workers = std::move(workers), items = std::move(items), f = std::move(f)]() mutable {
            struct finally {
                ~finally() { all.started_all(); }
                results<R>& all;
            } const guard{*all};
            for (auto&& item : items)
                if (!make_result(workers, all, f, item)) return;
        });
    return imap_range<R>(std::move(all), std::move(feeder));
}

// Suspends the calling fiber.
template <class Range, class F>
auto map_all(std::shared_ptr<crew> workers, Range& items, F& f) {
    using R = mapped_t<F, Range>;
    const auto all = std::make_shared<results<R>>(result_order::of_items, unbounded);
    imap_range<R> range(all, fiber<>());
    std::size_t count = 0;
    for (auto&& item : items) {
        make_result(workers, all, f, std::forward<decltype(item)>(item));
        ++count;
    }
    return collect<R>(count, [&range] { return range.get(); });
}

// What a member returned or threw, moved out. Suspends the calling fiber.
template <class R>
R take_result_of(const fiber<R>& member) {
    member.join();
    if (member.core()->exited) std::rethrow_exception(killed_work());
    if constexpr (std::is_void_v<R>)
        member.get();
    else
        return std::move(member.get());
}

}  // namespace ramie::detail
