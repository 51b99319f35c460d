// The part of a queue that does not depend on its items: who may take one, who may leave one.
//
// A getter that is woken has a claim on an item, a putter that is woken has a place reserved. The
// items themselves stay in the queue until the getter runs, so that none is lost on the way.
#pragma once

#include <cstddef>
#include <limits>
#include <system_error>

#include "ramie/deadline.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

// The queue was shut down: nothing more goes in, or nothing is left. code() is ESHUTDOWN.
class queue_shutdown : public std::system_error {
  public:
    // Never suspends.
    queue_shutdown() : system_error(ESHUTDOWN, std::generic_category(), "ramie: queue") {}
};

inline constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

namespace detail {

class queue_core {
  public:
    // Throws std::invalid_argument when `capacity` is 0: that is a channel.
    explicit queue_core(std::size_t capacity);
    queue_core(const queue_core&) = delete;
    queue_core& operator=(const queue_core&) = delete;
    ~queue_core();

    // Without waiting: true when an item, or a free place, is there that nobody was promised.
    // Throws queue_shutdown when there will be none.
    bool may_get() const {
        if (count_ > claimed_) [[likely]]
            return true;
        if (shut_) throw queue_shutdown();
        return false;
    }
    bool may_put() const {
        if (shut_) [[unlikely]]
            throw queue_shutdown();
        return count_ + reserved_ < capacity_;
    }

    // Waits for a claim, or a reservation; false at the deadline. Suspends the calling fiber.
    bool wait_to_get(deadline until);
    bool wait_to_put(deadline until);

    // Makes use of it. Throws queue_shutdown when it is void.
    void use_claim() {
        --claimed_;
        if (count_ == 0) throw queue_shutdown();
    }
    void use_reservation() {
        if (shut_) throw queue_shutdown();
        --reserved_;
    }

    void enqueue_getter(waiter&) noexcept;
    void enqueue_putter(waiter&) noexcept;

    // After a change, or when a claim or reservation came to nothing.
    void wake_getter() noexcept {
        if (!getters_.empty()) wake_getter_slowly();
    }
    void wake_putter() noexcept {
        if (!putters_.empty()) wake_putter_slowly();
    }
    void added() noexcept {
        ++count_;
        ++unfinished_;
        wake_getter();
    }
    void removed() noexcept {
        --count_;
        wake_putter();
    }
    void dropped_all() noexcept;
    void shut_down() noexcept;

    // Throws std::logic_error when more are done than were put.
    void finish_one();
    bool wait_until_finished(deadline until);

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] std::size_t unfinished() const noexcept { return unfinished_; }
    [[nodiscard]] bool is_full() const noexcept { return count_ >= capacity_; }
    [[nodiscard]] bool is_shut() const noexcept { return shut_; }

  private:
    void wake_getter_slowly() noexcept;
    void wake_putter_slowly() noexcept;

    std::size_t capacity_;
    std::size_t count_ = 0;
    std::size_t claimed_ = 0;     // by getters that were woken and have not run yet
    std::size_t reserved_ = 0;    // for putters, likewise; means nothing after the shutdown
    std::size_t unfinished_ = 0;  // put, and not yet reported as done
    bool shut_ = false;
    wait_queue getters_;
    wait_queue putters_;
    wait_queue joiners_;
};

}  // namespace detail
}  // namespace ramie
