// A queue without room: who puts meets who gets.
//
//     ramie::channel<int> c;
//     ramie::spawn([&] { c.put(42); log("taken"); });      // put() returns when it was taken
//     use(c.get());
//
// For the fibers of one thread. Those who wait are served in order of arrival; one that is killed
// or gives up while it waits takes no item with it and leaves none behind. Destroyed while fibers
// wait for it, it wakes them with std::logic_error.
#pragma once

#include <iterator>
#include <optional>
#include <utility>

#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/item_iterator.hpp"
#include "ramie/errors.hpp"

namespace ramie {

namespace detail {
// Where one side waits: the item goes straight from frame to frame.
template <class T>
struct channel_place : waiter {
    channel_place(fiber_core& f, T* from, std::optional<T>* to) noexcept
        : waiter(f), source(from), target(to) {}
    T* source;
    std::optional<T>* target;
    bool done = false;  // or it was woken because the channel was shut down
};
extern const wait_kind a_getter, a_putter;
}  // namespace detail

template <class T>
class channel {
  public:
    using value_type = T;
    using place = detail::channel_place<T>;

    // Never suspends.
    channel() noexcept = default;
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    // Never suspends.
    ~channel() {
        getters_.close();
        putters_.close();
    }

    // Waits until somebody takes `item`; false at the deadline, and then, as after any exception,
    // `item` is untouched. Throws queue_shutdown. Suspends the calling fiber.
    bool put(T&& item, deadline until = {}) {
        if (try_put(std::move(item))) return true;
        place mine(detail::waiting_fiber("a channel"), &item, nullptr);
        const bool met = wait_for_turn(putters_, mine, detail::a_putter, this, until, [&] {
            mine.done = !shut_ && try_put(std::move(item));
            return mine.done || shut_;
        });
        if (met && !mine.done) throw queue_shutdown();
        return met;
    }
    bool put(const T& item, deadline until = {}) { return put(T(item), until); }

    // False when nobody waits for an item. Throws queue_shutdown. Never suspends.
    [[nodiscard]] bool try_put(T&& item) {
        if (shut_) throw queue_shutdown();
        place* const getter = first_of(getters_);
        if (getter == nullptr) return false;
        getter->target->emplace(std::move(item));
        hand_over(getters_, *getter);
        return true;
    }
    [[nodiscard]] bool try_put(const T& item) { return try_put(T(item)); }

    // Waits for an item. Throws timeout_expired at the deadline, queue_shutdown. Suspends the
    // calling fiber.
    T get(deadline until = {}) {
        std::optional<T> item = try_get();
        if (item) return std::move(*item);
        place mine(detail::waiting_fiber("a channel"), nullptr, &item);
        if (!wait_for_turn(getters_, mine, detail::a_getter, this, until,
                           [&] { return shut_ || try_get_into(item); }))
            throw timeout_expired("channel::get");
        if (!item) throw queue_shutdown();
        return std::move(*item);
    }

    // Nothing when nobody waits with an item. Throws queue_shutdown. Never suspends.
    [[nodiscard]] std::optional<T> try_get() {
        if (shut_) throw queue_shutdown();
        std::optional<T> item;
        try_get_into(item);
        return item;
    }

    // Whoever waits, and whoever comes, is told by queue_shutdown. Never suspends.
    void shutdown() noexcept {
        shut_ = true;
        getters_.wake_all();
        putters_.wake_all();
    }
    // Never suspends.
    [[nodiscard]] bool is_shut_down() const noexcept { return shut_; }

    // Takes items until the channel is shut down. Each step suspends the calling fiber.
    detail::item_iterator<channel> begin() { return detail::item_iterator<channel>(*this); }
    // Never suspends.
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

    // For select(). Never suspend.
    void enqueue_getter(place& p) noexcept { getters_.enqueue(p); }
    void enqueue_putter(place& p) noexcept { putters_.enqueue(p); }

  private:
    // The first that still waits, and was not woken by anything else.
    static place* first_of(detail::wait_queue& side) noexcept {
        while (!side.empty()) {
            auto& first = static_cast<place&>(side.front());
            if (first.fiber->state == detail::fiber_state::parked) return &first;
            first.unlink();
        }
        return nullptr;
    }
    static void hand_over(detail::wait_queue& side, place& first) noexcept {
        first.done = true;
        side.wake_one();
    }
    bool try_get_into(std::optional<T>& item) {
        place* const putter = first_of(putters_);
        if (putter == nullptr) return false;
        item.emplace(std::move(*putter->source));
        hand_over(putters_, *putter);
        return true;
    }

    detail::wait_queue getters_;
    detail::wait_queue putters_;
    bool shut_ = false;
};

}  // namespace ramie
