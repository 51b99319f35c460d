// How a scheduler begins and ends.

#include <pthread.h>

#include <system_error>
#include <utility>
#include <vector>

#include "asio_loop.hpp"
#include "blocked_watch.hpp"
#include "diagnostics.hpp"
#include "locals.hpp"
#include "overflow_handler.hpp"
#include "ramie/detail/descriptors.hpp"
#include "ramie/detail/scheduler_hooks.hpp"
#include "ramie/detail/transfer.hpp"
#include "ramie/fiber.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

constinit thread_local scheduler* current_scheduler = nullptr;
constinit thread_local fiber_core* current_fiber = nullptr;

namespace {

constexpr wait_kind every_end{"the end of every other fiber"};

constexpr std::size_t hub_stack_size = 256 * 1024;

void destroy_main(fiber_core& f) noexcept { delete &f; }

// The main fiber runs code that nobody spawned: it has no body and leaves no result.
constexpr fiber_core::operations main_operations{nullptr, nullptr, nullptr, &destroy_main};

bool describe_loop_stack(running_stack& out) noexcept {
    if (current_scheduler == nullptr) return false;
    const stack_span& stack = current_scheduler->loop_stack();
    out.guard_begin = stack.base - stack.guard;
    out.guard_end = stack.base;
    out.stack_size = stack.slot;
    out.is_loop = true;
    return true;
}

bool describe_running_stack(running_stack& out) noexcept {
    const fiber_core* f = current_fiber;
    if (f == nullptr) return describe_loop_stack(out);
    if (f->stack_base == nullptr) return false;
    out.guard_begin = f->stack_base - f->stack_guard;
    out.guard_end = f->stack_base;
    out.stack_size = f->stack_slot;
    out.fiber_id = f->id;
    out.name = f->extras == nullptr ? "" : f->extras->name.c_str();
    return true;
}

// A forked child has a copy of the parent's reactor, which is the same kernel object: it must not
// touch it. One that was forked on the loop, outside of fibers, starts without a scheduler.
void continue_in_child() noexcept {
    bump_fork_epoch();
    forget_mailboxes_of_parent();
    transfers_in_turn = 0;
    if (current_fiber != nullptr && current_scheduler->continue_in_child(*current_fiber)) return;
    if (scheduler* const parents = std::exchange(current_scheduler, nullptr)) {
        keep_frames(parents->main_fiber());
        parents->for_each_fiber([](fiber_core& f) { keep_frames(f); });
        leave_behind(parents);
    }
    current_fiber = nullptr;
    current_table = {};
}

void prepare_process() {
    static const bool once = [] {
        refuse_shadow_stack(shadow_stack_status());
        install_overflow_handler(&describe_running_stack);
        prepare_loop_watch();  // before: in a child it goes on first
        pthread_atfork(nullptr, &bump_fork_epoch, &continue_in_child);
        has_had_scheduler = true;
        if (const auto prepare = before_first_scheduler.load()) prepare();
        return true;
    }();
    static_cast<void>(once);
}

// What outlives a scheduler on its thread: the stacks that handles may still point into, and the
// signal stack. The pool leaves its mappings behind if any stack is still out.
struct thread_resources {
    stack_pool* stacks = new stack_pool;
    alternate_signal_stack signal_stack;

    thread_resources() = default;
    thread_resources(const thread_resources&) = delete;
    thread_resources& operator=(const thread_resources&) = delete;
    ~thread_resources() {
        scheduler::destroy();
        if (stacks->stats().in_use == 0)
            delete stacks;
        else
            leave_behind(stacks);
    }
};

thread_resources& resources() {
    static thread_local thread_resources mine;
    return mine;
}

}  // namespace

scheduler::scheduler()
    : main_(new fiber_core(&main_operations)),
      hub_(&main_operations),
      mailbox_(make_mailbox()),
      poller_(mailbox_->descriptor()),
      timers_(now()),
      stacks_(resources().stacks),
      hub_stack_(stacks_->allocate(hub_stack_size)) {
    main_->owner = this;
    main_->state = fiber_state::running;
    if (fiber_that_forked != nullptr)
        main_->sanitizers = fiber_that_forked->sanitizers;
    else
        adopt_thread_stack(*main_);
    make_context(hub_, hub_stack_.base, hub_stack_.top, &scheduler::enter);
    last_poll_ = now();
    keep_heartbeat();
}

void scheduler::keep_heartbeat() noexcept {
    try {
        heart_ = watch_this_loop(std::move(heart_));
    } catch (...) {
        report_unhandled("looking after a loop", std::current_exception());
    }
}

scheduler::~scheduler() {
    drop_locals(*main_);
    if (const auto tell = at_scheduler_end.load()) tell(this);
    mailbox_->close();
    asio_.reset();
    drop_all();
    // Those that were killed before their start and have not had their turn.
    while (!ready_.empty()) {
        fiber_core& f = ready_.pop();
        if (f.state == fiber_state::finished) drop_unstarted(f);
    }
    end_own_contexts();
}

// exit() called by a fiber or on the loop ends the scheduler from there. The main fiber then is one
// more that is never resumed, and the hub's stack may be the one in use.
void scheduler::end_own_contexts() noexcept {
    if (main_->state != fiber_state::running) {
        drop(*main_);
        leave_behind(main_);
        return;
    }
    destroy_context(hub_);
    stacks_->release(hub_stack_);
    main_->state = fiber_state::finished;
    bury(*main_);
}

void scheduler::create() {
    prepare_process();
    auto* made = new scheduler;
    current_scheduler = made;
    current_fiber = made->main_;
}

void scheduler::destroy() noexcept {
    scheduler* mine = std::exchange(current_scheduler, nullptr);
    current_fiber = nullptr;
    delete mine;
}

asio_loop& scheduler::asio() {
    if (asio_ == nullptr) asio_ = std::make_unique<asio_loop>(poller_);
    return *asio_;
}

// The destructor of its callable may wait, and not on the main fiber, which keeps the time.
void scheduler::let_go_unstarted(fiber_core& f) noexcept {
    f.exited = true;
    if (!f.armed()) return;
    timers_.cancel(f);
    ready_.push(f);
}

bool scheduler::shut_down(deadline until) noexcept {
    shutting_down_ = true;
    main_->interrupts.clear();
    for_each_fiber([this](fiber_core& f) {
        if (f.state == fiber_state::created && !f.must_start)
            let_go_unstarted(f);
        else
            kill(f, nullptr);
    });
    while (live_ != 0) {
        const wake reason = last_end_.wait(every_end, this, until);
        // Closed: a deadlock; they wait for ever.
        if (reason == wake::timed_out || reason == wake::closed) return false;
        main_->interrupts.clear();
    }
    return true;
}

}  // namespace ramie::detail
