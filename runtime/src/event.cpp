#include "ramie/event.hpp"

#include "scheduler.hpp"

namespace ramie {

using detail::scheduler;
using detail::wake;

namespace {

constexpr detail::wait_kind an_event{"an event"};

}  // namespace

void event::set() noexcept {
    set_ = true;
    if (waiters_.wake_all() != 0) last_set_ = scheduler::find()->ready().mark();
}

bool event::wait(deadline until) {
    if (set_) {
        // Those that set() woke and that have not run yet were first.
        scheduler* mine = scheduler::find();
        if (mine != nullptr && !mine->in_hub() && !mine->ready().passed(last_set_)) mine->yield();
        return true;
    }
    scheduler& mine = scheduler::get();
    detail::require_fiber(mine, an_event.what);
    detail::waiter self(*detail::current_fiber);
    waiters_.enqueue(self);
    // Whom set() has taken out of the queue was woken by it, also when an interrupt came before.
    while (self.is_linked()) {
        const wake reason = mine.park(an_event, this, until);
        if (reason == wake::interrupted) detail::raise_interrupt();
        if (reason == wake::timed_out) return false;
    }
    return true;
}

}  // namespace ramie
