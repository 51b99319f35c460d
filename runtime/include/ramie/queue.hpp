// Items that pass from fiber to fiber.
//
//     ramie::queue<job> jobs(100);                   // put() waits while 100 are there
//     ramie::spawn([&] { for (job& j : jobs) work(j); });
//     jobs.put(job("one"), 5s);                      // false after five seconds
//     jobs.shutdown();                               // the loop ends when the queue is empty
//
// For the fibers of one thread. Those who wait are served in order of arrival. A fiber that is
// killed or gives up while it waits takes no item with it and leaves none behind. Destroyed while
// fibers wait for it, a queue wakes them with std::logic_error.
#pragma once

#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "ramie/detail/item_iterator.hpp"
#include "ramie/detail/queue_core.hpp"
#include "ramie/detail/queue_items.hpp"
#include "ramie/errors.hpp"

namespace ramie {

// What the queues have in common; see the names below.
template <class T, class Items>
class basic_queue {
  public:
    using value_type = T;

    // Holds up to `capacity` items, at least one. Never suspends.
    explicit basic_queue(std::size_t capacity = unbounded) : core_(capacity) {}

    // Adds `item`, waiting while the queue is full; false at the deadline, and then, as after any
    // exception, `item` is untouched. Throws queue_shutdown. Suspends the calling fiber.
    bool put(const T& item, deadline until = {}) { return put_one(item, until); }
    bool put(T&& item, deadline until = {}) { return put_one(std::move(item), until); }

    // False when it is full. Throws queue_shutdown. Never suspends.
    [[nodiscard]] bool try_put(const T& item) { return core_.may_put() && add(item); }
    [[nodiscard]] bool try_put(T&& item) { return core_.may_put() && add(std::move(item)); }

    // Takes the next item, waiting for it. Throws timeout_expired at the deadline, queue_shutdown
    // when the queue was shut down and is empty. Suspends the calling fiber.
    T get(deadline until = {}) {
        await_item(until, "queue::get");
        return take();
    }

    // Nothing when there is none, or all are promised to fibers that waited for them. Throws
    // queue_shutdown. Never suspends.
    [[nodiscard]] std::optional<T> try_get() {
        if (!core_.may_get()) return std::nullopt;
        return take();
    }

    // The next item, which stays; valid until the caller suspends. Otherwise as get(). Suspends the
    // calling fiber.
    const T& peek(deadline until = {}) {
        await_item(until, "queue::peek");
        core_.wake_getter();  // it is still there for somebody else
        return items_.first();
    }

    // Nothing more goes in: put() throws queue_shutdown, also where it waits. What is there can
    // still be taken, unless `immediate`, which drops it. Never suspends.
    void shutdown(bool immediate = false) {
        if (immediate) core_.dropped_all();
        core_.shut_down();
        if (immediate) items_.clear();
    }

    // Never suspend.
    [[nodiscard]] std::size_t size() const noexcept { return core_.count(); }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] bool full() const noexcept { return core_.is_full(); }
    [[nodiscard]] bool is_shut_down() const noexcept { return core_.is_shut(); }

    // Takes items, as get() does, until the queue is shut down and empty. Each step suspends the
    // calling fiber.
    detail::item_iterator<basic_queue> begin() { return detail::item_iterator<basic_queue>(*this); }
    // Never suspends.
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

    // For select(): what waits, and the two halves of a wait. Never suspend.
    [[nodiscard]] detail::queue_core& core() noexcept { return core_; }
    T take();
    template <class U>
    bool add(U&& item);

  private:
    template <class U>
    bool put_one(U&& item, deadline until);
    void await_item(deadline until, const char* call);

    detail::queue_core core_;
    Items items_;
};

// First in, first out.
template <class T>
using queue = basic_queue<T, detail::fifo_items<T>>;

// Last in, first out.
template <class T>
using lifo_queue = basic_queue<T, detail::lifo_items<T>>;

// The smallest first; equal ones in the order in which they came.
template <class T, class Compare = std::less<T>>
using priority_queue = basic_queue<T, detail::sorted_items<T, Compare>>;

// A queue that knows when everything that was put into it is done.
template <class T>
class joinable_queue : public queue<T> {
  public:
    using queue<T>::queue;

    // For each item that was taken, when the work on it is over. Throws std::logic_error when more
    // are done than were put. Never suspends.
    void task_done() { this->core().finish_one(); }

    // Waits until all that was put is done; false at the deadline. Suspends the calling fiber.
    bool join(deadline until = {}) { return this->core().wait_until_finished(until); }

    // Never suspends.
    [[nodiscard]] std::size_t unfinished() { return this->core().unfinished(); }
};

}  // namespace ramie

#include "ramie/detail/queue_impl.hpp"

#include "ramie/channel.hpp"
#include "ramie/select.hpp"
