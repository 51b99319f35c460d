// A handler interrupts whatever the thread does, the scheduler in the middle of a change included:
// it only leaves a note, and rings for the loop to read it.

#include "ramie/detail/handled_signals.hpp"

#include <cerrno>
#include <exception>

#include "scheduler.hpp"

namespace ramie::detail {

void scheduler::handler_interrupt::raise() { std::terminate(); }
int scheduler::handler_interrupt::error_number() const noexcept { return EINTR; }

void scheduler::note_handler(handler_ends reach) noexcept {
    handlers_run_.store(handlers_run_.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
    // What ran before a call began is nothing to it.
    if (main_->state == fiber_state::parked && reach != handler_ends::nothing) {
        const handler_ends ends = main_->waiting->handler;
        if (ends == handler_ends::always || ends == reach)
            handler_ends_call_.store(main_->waiting, std::memory_order_relaxed);
    }
    handler_noted_.store(true, std::memory_order_relaxed);
    mailbox_->ring();
}

void scheduler::wake_for_handlers() noexcept {
    handler_noted_.store(false, std::memory_order_relaxed);
    waiting_for_handler_.wake_all();
    const wait_kind* const call = handler_ends_call_.exchange(nullptr, std::memory_order_relaxed);
    if (call == nullptr || main_->waiting != call || main_->shielded) return;
    if (grant(*main_, wake::interrupted)) main_->add(handler_interrupt_);
}

void note_handler_ran(handler_ends reach) noexcept {
    if (scheduler* const mine = scheduler::find()) mine->note_handler(reach);
}

bool handlers_end_calls() noexcept { return current_fiber == &scheduler::find()->main_fiber(); }

std::uint64_t handlers_run() noexcept { return scheduler::find()->handlers_run(); }

wait_queue& waiting_for_handler() noexcept { return scheduler::find()->waiting_for_handler(); }

}  // namespace ramie::detail
