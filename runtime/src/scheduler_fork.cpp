// What becomes of a scheduler in a child that fork() made: only the calling fiber lives on.

#include <algorithm>
#include <cstdlib>

#include "asio_loop.hpp"
#include "diagnostics.hpp"
#include "ramie/run.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

constinit thread_local fiber_core* fiber_that_forked = nullptr;

// As ~scheduler() does it: never resumed, so their frames, and what the frames link to, stay.
void scheduler::drop(fiber_core& f) noexcept {
    timers_.cancel(f);
    keep_frames(f);
    f.owner = nullptr;
    f.state = fiber_state::dropped;
}

void scheduler::drop_all() noexcept {
    while (!all_.empty()) {
        drop(all_.front());
        all_.pop_front();
    }
}

// The stack on which the child runs is what a thread's own stack is elsewhere: it is never given
// back, and the process ends with it.
void scheduler::become_main(fiber_core& self) noexcept {
    all_.erase(all_.iterator_to(self));
    drop(*main_);
    leave_behind(main_);
    main_request_.unlink_if_linked();
    set_hook(nullptr);
    running = false;
    retain(self);
    keep_frames(self);
    self.forked = true;
    fiber_that_forked = main_ = &self;
}

void scheduler::forget_others(fiber_core& self) noexcept {
    if (&self != main_) become_main(self);
    drop_all();
    ready_.clear();
    live_ = dead_in_queue_ = 0;
    std::ranges::fill(waits_, 0);
    shutting_down_ = false;
    // Its handlers refer to the parent's fibers: they are not destroyed either.
    leave_behind(asio_.release());
    destroy_context(hub_);
    make_context(hub_, hub_stack_.base, hub_stack_.top, &scheduler::enter);
    set_hook(hook_);
    since_poll_ = 0;
    last_poll_ = now();
    keep_heartbeat();  // the one that it had was of a thread of the parent
}

bool scheduler::continue_in_child(fiber_core& self) noexcept {
    forget_others(self);
    try {
        // First what is the parent's too, so that a process at its limit has numbers to spare.
        poller_.leave_set();
        mailbox_ = make_mailbox();
        poller_.make_set(mailbox_->descriptor());
        return true;
    } catch (...) {
        return false;
    }
}

bool scheduler::is_of_parent() const noexcept { return mailbox_->is_of_parent(); }

namespace {

// As run() would return, or throw, if the fiber were its main.
int exit_code_of(fiber_core& f) noexcept {
    if (f.error == nullptr) return 0;
    try {
        std::rethrow_exception(f.error);
    } catch (const system_exit& e) {
        return e.code;
    } catch (...) {
        report_unobserved(f);
        return EXIT_FAILURE;
    }
}

}  // namespace

void scheduler::end_forked_process(fiber_core& self) noexcept {
    const int code = exit_code_of(self);
    scheduler* const mine = find();
    if (mine != nullptr && mine->main_ == &self &&
        !mine->shut_down(deadline(run_options{}.shutdown_grace)))
        report_abandoned(mine->describe_fibers());
    std::exit(code);
}

}  // namespace ramie::detail
