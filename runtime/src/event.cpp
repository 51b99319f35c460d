#include "ramie/event.hpp"

#include "scheduler.hpp"

namespace ramie {

using detail::scheduler;

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
    // Whom set() has taken out of the queue was woken by it, also when an interrupt came before.
    return detail::wait_for_turn(waiters_, an_event, this, until, [] { return true; });
}

}  // namespace ramie
