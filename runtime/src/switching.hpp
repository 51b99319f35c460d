// How one fiber hands the thread to the next: inlined into the few calls that suspend, because
// every frame between them and the jump is a cache line of a cold stack. Their sources are compiled
// without a red zone, see raw_jump().
#pragma once

#include "scheduler.hpp"

namespace ramie::detail {

inline fiber_core* scheduler::next_ready() noexcept {
    while (!ready_.empty()) {
        fiber_core& f = ready_.pop();
        // At thousands of connections every fiber is cold: those next in line are fetched while
        // this one runs.
        ready_.prefetch_block(3);
        ready_.prefetch_stack(1);
        if (f.state != fiber_state::finished) [[likely]]
            return &f;
        drop_unstarted(f);
    }
    return nullptr;
}

// Null: it is the hub's turn.
inline fiber_core* scheduler::next_to_run() noexcept {
    if (budget_ == 0 && !may_skip_poll()) return nullptr;
    --budget_;
    return next_ready();
}

inline fiber_core& scheduler::leave_for(fiber_core* next) noexcept {
    current_fiber = next;
    if (next == nullptr) return hub_;
    next->state = fiber_state::running;
    return *next;
}

inline void scheduler::switch_from(fiber_core& self, fiber_core* next) noexcept {
    fiber_core& previous = jump(self, leave_for(next), globals_);
    // A fiber cannot free the stack it ends on: whoever runs next does.
    if (previous.state == fiber_state::finished) [[unlikely]]
        bury(previous);
}

inline void scheduler::resume_next(fiber_core& self) noexcept {
    fiber_core* const next = next_to_run();
    if (next == &self)
        self.state = fiber_state::running;
    else
        switch_from(self, next);
}

__attribute__((always_inline)) inline wake scheduler::park_here(const wait_kind& kind,
                                                                const void* object,
                                                                deadline until) noexcept {
    fiber_core& self = *current_fiber;
    self.shielded = is_shielded(self);
    if (self.has_news) [[unlikely]] {
        hear_news(self);  // first: of equal deadlines the outer one surfaces
        if (self.has_news && !self.shielded) return refuse(kind, object);
    }
    if (!until.is_never()) timers_.set(self, until.nanoseconds());
    self.state = fiber_state::parked;
    self.waiting = &kind;
    self.wait_object = object;
    ++waits_[static_cast<std::size_t>(kind.ended_by)];
    resume_next(self);
    --waits_[static_cast<std::size_t>(kind.ended_by)];
    if (!until.is_never()) timers_.cancel(self);
    return self.wake_reason;
}

__attribute__((always_inline)) inline wake scheduler::park_queued(const wait_kind& kind,
                                                                  const void* object,
                                                                  deadline until) noexcept {
    waiter& self = current_fiber->place;
    const wake reason = park_here(kind, object, until);
    // Who grants it takes it out of the queue.
    if (reason != wake::granted && self.is_linked()) self.unlink();
    return reason;
}

}  // namespace ramie::detail
