#include "ramie/detail/wait_queue.hpp"

#include <stdexcept>

#include "ramie/detail/holder.hpp"
#include "switching.hpp"

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

wake wait_queue::wait(const wait_kind& kind, const void* object, deadline until) {
    enqueue(own_place(kind.what));
    return current_scheduler->park_queued(kind, object, until);
}

namespace {

// Leaves the queue however the wait ends.
struct leave_queue {
    waiter& self;
    ~leave_queue() {
        if (self.is_linked()) self.unlink();
    }
};

// Not inlined: what the message needs would be in the frame of everyone who waits.
[[noreturn, gnu::noinline]] void tell_of_destruction(const wait_kind& kind) {
    throw wait_target_destroyed(std::string("ramie: ") + kind.what +
                                " was destroyed while a fiber waited for it");
}

}  // namespace

wake wait_queue::wait_turn(waiter& self, const wait_kind& kind, const void* object,
                           deadline until) {
    const leave_queue guard{self};
    for (;;) {
        const wake reason = current_scheduler->park_here(kind, object, until);
        if (reason == wake::granted || reason == wake::timed_out) [[likely]]
            return reason;
        if (reason == wake::closed) tell_of_destruction(kind);
        raise_interrupt();
        if (!self.is_linked()) return reason;
    }
}

void wait_queue::close() noexcept {
    while (!waiters_.empty()) {
        // It is not told: what it waits for has not happened.
        waiter& first = take_first();
        if (first.on_wake != nullptr) first.on_wake(first);
        // One that something else woke must not come back to what is no more. What was granted is
        // not taken back: that one had another place, in the queue of something else.
        if (!grant(*first.fiber, wake::closed) && first.fiber->wake_reason != wake::granted)
            first.fiber->wake_reason = wake::closed;
    }
}

fiber_core& find_waiting_fiber(const char* call) {
    scheduler& mine = scheduler::get();
    require_fiber(mine, call);
    return *current_fiber;
}

// Only fibers that live are looked at.
void holder::describe(std::string& out) const {
    if (fiber_ == nullptr) return;
    scheduler& mine = scheduler::get();
    bool alive = fiber_ == &mine.main_fiber();
    mine.for_each_fiber([&](const fiber_core& f) { alive |= &f == fiber_ && f.id == id_; });
    out += " held by " + (alive ? fiber_->display_name() : "a fiber that has ended");
}

wake park_fiber(const wait_kind& kind, const void* object, deadline until) noexcept {
    return current_scheduler->park(kind, object, until);
}

bool wait_queue::wake_one(wake reason) noexcept {
    return wake_first([reason](fiber_core& f) { return grant(f, reason); });
}

std::size_t wait_queue::wake_all(wake reason) noexcept {
    // Only those that wait now; who is woken may not queue again before it runs.
    std::size_t count = 0;
    while (!waiters_.empty()) {
        waiter& first = take_first();
        if (first.on_wake != nullptr) first.on_wake(first);
        if (grant(*first.fiber, reason)) ++count;
    }
    return count;
}

}  // namespace ramie::detail
