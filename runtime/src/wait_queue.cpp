#include "ramie/detail/wait_queue.hpp"

#include <stdexcept>

#include "scheduler.hpp"

namespace ramie::detail {

void refuse_to_block_loop(const char* call) {
    throw std::logic_error(std::string("ramie: ") + call +
                           " would block the loop: it was called from a posted function or an "
                           "Asio handler; spawn a fiber for it");
}

// Out of line: g++ 12 loses stores in a cleanup that goes on to unlink a list. Its dead store
// elimination (tree-ssa-dse.cc) sees no use of memory where unwinding is resumed, and once a loop
// of stores lies between, takes what is stored before the loop for dead. -fno-tree-dse keeps it.
wait_queue::~wait_queue() = default;

wake wait_queue::wait(const wait_point& point, deadline until) {
    scheduler& mine = scheduler::get();
    require_fiber(mine, point.what);
    waiter self(mine.current());
    enqueue(self);
    return mine.park(point, until);
}

wake park_fiber(const wait_point& point, deadline until) noexcept {
    return current_scheduler->park(point, until);
}

// A fiber that was dropped at the end of run() has no scheduler any more.
static bool wake_fiber(fiber_core& f, wake reason) noexcept {
    return f.owner != nullptr && f.owner->grant(f, reason);
}

bool wait_queue::wake_one(wake reason) noexcept {
    while (!waiters_.empty()) {
        waiter& first = waiters_.front();
        waiters_.pop_front();
        if (first.on_wake != nullptr) first.on_wake(first);
        // One that was woken by something else meanwhile does not count: nothing is lost.
        if (wake_fiber(*first.fiber, reason) && !first.passive) return true;
    }
    return false;
}

std::size_t wait_queue::wake_all(wake reason) noexcept {
    // Only those that wait now; who is woken may not queue again before it runs.
    std::size_t count = 0;
    while (!waiters_.empty()) {
        waiter& first = waiters_.front();
        waiters_.pop_front();
        if (first.on_wake != nullptr) first.on_wake(first);
        if (wake_fiber(*first.fiber, reason)) ++count;
    }
    return count;
}

}  // namespace ramie::detail
