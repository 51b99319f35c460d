#include <stdexcept>

#include "ramie/channel.hpp"
#include "ramie/detail/queue_core.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

constexpr wait_kind an_item{"an item of a queue"};
constexpr wait_kind a_free_place{"a free place in a queue"};
constexpr wait_kind all_done{"the end of all tasks of a queue"};

}  // namespace

constinit const wait_kind a_getter{"a getter of a channel"};
constinit const wait_kind a_putter{"a putter of a channel"};

queue_core::queue_core(std::size_t capacity) : capacity_(capacity) {
    if (capacity == 0)
        throw std::invalid_argument("ramie: a queue without room; a channel is what you want");
}

queue_core::~queue_core() {
    getters_.close();
    putters_.close();
    joiners_.close();
}

bool queue_core::wait_to_get(deadline until) {
    return wait_for_turn(getters_, an_item, this, until, [this] {
        if (count_ <= claimed_ && !shut_) return false;
        ++claimed_;
        return true;
    });
}

bool queue_core::wait_to_put(deadline until) {
    return wait_for_turn(putters_, a_free_place, this, until, [this] {
        if (count_ + reserved_ >= capacity_ && !shut_) return false;
        ++reserved_;
        return true;
    });
}

void queue_core::enqueue_getter(waiter& w) noexcept { getters_.enqueue(w); }
void queue_core::enqueue_putter(waiter& w) noexcept { putters_.enqueue(w); }

void queue_core::wake_getter_slowly() noexcept {
    if (count_ > claimed_ && getters_.wake_one()) ++claimed_;
}

void queue_core::wake_putter_slowly() noexcept {
    if (count_ + reserved_ < capacity_ && putters_.wake_one()) ++reserved_;
}

void queue_core::dropped_all() noexcept {
    unfinished_ -= count_;
    count_ = 0;
    if (unfinished_ == 0) joiners_.wake_all();
}

// All who wait are given what they wait for, and find that it is void.
void queue_core::shut_down() noexcept {
    shut_ = true;
    claimed_ += getters_.wake_all();
    putters_.wake_all();
}

void queue_core::finish_one() {
    if (unfinished_ == 0)
        throw std::logic_error("ramie: task_done() was called more often than put()");
    if (--unfinished_ == 0) joiners_.wake_all();
}

bool queue_core::wait_until_finished(deadline until) {
    if (unfinished_ == 0) return true;
    return wait_for_turn(joiners_, all_done, this, until, [this] { return unfinished_ == 0; });
}

}  // namespace ramie::detail
