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
    const wake reason = waiters_.wait(an_event, this, until);
    if (reason == wake::interrupted) detail::raise_interrupt();
    return reason == wake::granted;
}

}  // namespace ramie
