// The results of group::imap and group::imap_unordered.
#pragma once

#include <algorithm>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include "ramie/errors.hpp"
#include "ramie/fiber.hpp"
#include "ramie/mutex.hpp"
#include "ramie/queue.hpp"
#include "ramie/semaphore.hpp"

namespace ramie::detail {

// Results in the order of the items: the fibers that make them.
template <class R>
class in_order {
  public:
    explicit in_order(std::size_t ahead) : running_(ahead) {}
    template <class Group, class F, class Item>
    bool start(const std::shared_ptr<in_order>&, Group& workers, F& f, Item&& item) {
        try {
            return running_.put(workers.spawn(f, std::forward<Item>(item)));
        } catch (const queue_shutdown&) {
            return false;
        }
    }
    void started_all() { running_.shutdown(); }
    void drop() { running_.shutdown(true); }
    // The next one is taken when it has ended: who gives up before leaves it for the next call.
    R get(deadline until) {
        if (!turn_.lock(until)) throw timeout_expired("imap::get");
        const std::lock_guard held(turn_, std::adopt_lock);
        const fiber<R> next = running_.peek(until);
        if (!next.join(until)) throw timeout_expired("imap::get");
        running_.get();
        return next.get();
    }

  private:
    queue<fiber<R>> running_;
    mutex turn_;
};

// Results as they come.
template <class R>
class as_ready {
  public:
    explicit as_ready(std::size_t ahead) : room_(std::min(ahead, unbounded / 2)) {}
    template <class Group, class F, class Item>
    bool start(const std::shared_ptr<as_ready>& self, Group& workers, F& f, Item&& item) {
        room_.acquire();
        if (outcomes_.is_shut_down()) return false;
        workers.spawn(
            [keep = pending(self), f](auto&& each) mutable {
                keep.keep(outcome_of(f, std::forward<decltype(each)>(each)));
            },
            std::forward<Item>(item));
        return true;
    }
    void started_all() {
        all_started_ = true;
        if (pending_ == 0) outcomes_.shutdown();
    }
    void drop() {
        outcomes_.shutdown(true);
        room_.release();
    }
    R get(deadline until) {
        outcome next = outcomes_.get(until);
        room_.release();
        if (next.error != nullptr) std::rethrow_exception(next.error);
        return std::move(*next.value);
    }

  private:
    struct outcome {
        std::optional<R> value;
        std::exception_ptr error;
    };
    // Counts an item from its start to its end, which may be a kill.
    struct pending {
        explicit pending(std::shared_ptr<as_ready> r) : results(std::move(r)) {
            ++results->pending_;
        }
        pending(pending&& other) noexcept = default;
        pending& operator=(pending&&) = delete;
        ~pending() {
            if (results == nullptr) return;
            if (!kept) results->room_.release();
            if (--results->pending_ == 0 && results->all_started_) results->outcomes_.shutdown();
        }
        void keep(outcome result) {
            if (results->outcomes_.is_shut_down()) return;
            results->outcomes_.put(std::move(result));
            kept = true;
        }
        std::shared_ptr<as_ready> results;
        bool kept = false;
    };
    template <class F, class Item>
    static outcome outcome_of(F& f, Item&& item) {
        try {
            return {f(std::forward<Item>(item)), nullptr};
        } catch (const fiber_exit&) {
            throw;
        } catch (...) {
            return {std::nullopt, std::current_exception()};
        }
    }

    queue<outcome> outcomes_;
    semaphore room_;
    std::size_t pending_ = 0;
    bool all_started_ = false;
};

// What the caller holds. When it is dropped, no more items are started.
template <class Results, class R>
class imap_range {
  public:
    using value_type = R;
    imap_range(std::shared_ptr<Results> results, fiber<> feeder)
        : results_(std::move(results)), feeder_(std::move(feeder)) {}
    imap_range(imap_range&&) noexcept = default;
    imap_range& operator=(imap_range&&) = delete;
    ~imap_range() {
        if (results_ == nullptr) return;
        results_->drop();
        feeder_.try_kill();
    }

    // The next result. Throws what its item threw, timeout_expired at the deadline, and at the end
    // what the items themselves threw, or queue_shutdown. Suspends the calling fiber.
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
    std::shared_ptr<Results> results_;
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

template <template <class> class Order, class Group, class Items, class F>
auto make_imap(Group workers, Items items, F f, std::size_t ahead) {
    using R = std::invoke_result_t<F&, std::ranges::range_reference_t<Items>>;
    auto results = std::make_shared<Order<R>>(ahead);
    auto feeder = spawn([results, workers = std::move(workers), items = std::move(items),
                         f = std::move(f)]() mutable {
        struct finally {
            ~finally() { all.started_all(); }
            Order<R>& all;
        } const guard{*results};
        for (auto&& item : items)
            if (!results->start(results, workers, f, item)) return;
    });
    return imap_range<Order<R>, R>(std::move(results), std::move(feeder));
}

}  // namespace ramie::detail
