#include "scheduler.hpp"

#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

#include "asio_loop.hpp"
#include "blocked_watch.hpp"
#include "locals.hpp"
#include "switching.hpp"

namespace ramie::detail {

namespace {

constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();

// The reactor is asked at least this often while fibers are ready, so that a yield loop starves
// neither I/O nor timers. The clock is looked at less often still than that costs anything.
constexpr std::int64_t poll_interval = 4'000'000;
constexpr std::uint32_t switches_per_poll = 4096;
constexpr std::uint32_t switches_per_look = 64;

// A million timers that come due together must not keep I/O and the fibers waiting. One that lies
// on a cold stack costs about a microsecond.
constexpr std::size_t timers_per_poll = 2048;

bool is_system_exit(const std::exception_ptr& error) noexcept {
    if (error == nullptr) return false;
    try {
        std::rethrow_exception(error);
    } catch (const system_exit&) {
        return true;
    } catch (...) {
        return false;
    }
}

std::int64_t monotonic_now() noexcept {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

std::int64_t now_ns() noexcept {
    const scheduler* s = scheduler::find();
    return s == nullptr ? monotonic_now() : s->now();
}

std::int64_t scheduler::now() const noexcept {
    return virtual_now != 0 ? virtual_now : monotonic_now();
}

// --- switching -------------------------------------------------------------------------------

bool scheduler::may_skip_poll() noexcept {
    if (mailbox_->has_wakes()) run_wakes();
    if (hook_ != nullptr) [[unlikely]]
        return consult_hook();
    since_poll_ += refill_;
    const std::int64_t elapsed = now() - last_poll_;
    if (elapsed >= poll_interval || since_poll_ >= switches_per_poll) return false;
    refill_budget(elapsed, poll_interval - elapsed);
    return true;
}

// Without a budget every switch asks for one, and so comes by here: a hook costs the others
// nothing.
void scheduler::set_hook(schedule_hook* hook) noexcept {
    since_poll_ += refill_ - budget_;
    budget_ = refill_ = 0;
    hook_ = hook;
}

// How often the loop is polled must not depend on the clock: a run is to be repeated exactly.
bool scheduler::consult_hook() noexcept {
    hook_->left(*current_fiber);
    if (++since_poll_ >= switches_per_poll) return false;
    bring_picked_forward();
    budget_ = 1;  // for this switch
    return true;
}

void scheduler::bring_picked_forward() noexcept {
    while (!ready_.empty()) {
        if (ready_.size() > 1) ready_.bring_forward(hook_->pick(ready_, current_fiber));
        if (ready_.peek(0).state != fiber_state::finished) break;
        drop_unstarted(ready_.pop());
    }
    hook_->preempting = false;
}

// As many switches as fit into `rest` at the pace of the last `since_poll_` ones, which took
// `elapsed`: a look at the clock for each of them would cost more than they do.
void scheduler::refill_budget(std::int64_t elapsed, std::int64_t rest) noexcept {
    const std::int64_t pace = elapsed / std::max<std::int64_t>(since_poll_, 1);
    const std::int64_t fitting = rest / std::max<std::int64_t>(pace, 1);
    refill_ = static_cast<std::uint32_t>(std::clamp<std::int64_t>(fitting, 1, switches_per_look));
    budget_ = refill_;
}

// --- waiting and waking ----------------------------------------------------------------------

wake scheduler::park(const wait_kind& kind, const void* object, deadline until) noexcept {
    return park_here(kind, object, until);
}

void scheduler::hear_news(fiber_core& self) noexcept {
    while (!self.new_limits.empty()) {
        time_limit& first = self.new_limits.front();
        self.new_limits.pop_front();
        timers_.set(first, first.due);
    }
    self.has_news = !self.interrupts.empty();
    if (!self.has_news) self.refusals = 0;
}

// C code that does not look at errors asks again, and again, and would keep the thread for ever:
// now and then it waits in earnest, so that the others run, and the timer does that ends the grace
// of a shutdown.
wake scheduler::refuse(const wait_kind& kind, const void* object) noexcept {
    constexpr std::uint8_t patience = 64;
    fiber_core& self = *current_fiber;
    if (++self.refusals < patience) return wake::interrupted;
    self.refusals = 0;
    const shielded_scope in_earnest(self);
    const wake reason = park(kind, object, std::chrono::milliseconds(1));
    return reason == wake::timed_out ? wake::interrupted : reason;
}

void scheduler::interrupt(fiber_core& f, detail::interrupt& i) noexcept {
    f.add(i);
    if (!f.shielded) grant(f, wake::interrupted);
}

void scheduler::yield() {
    fiber_core& self = *current_fiber;
    if (self.has_news) [[unlikely]]
        hear_news(self);
    self.state = fiber_state::ready;
    ready_.push(self);
    resume_next(self);
    if (self.has_news && !is_shielded(self)) [[unlikely]]
        raise_interrupt();
}

// --- the hub ---------------------------------------------------------------------------------

void scheduler::run_hub() {
    for (;;) {
        poll();
        leave_forked_loop();
        if (fiber_core* next = next_ready()) switch_from(hub_, next);
    }
}

void scheduler::poll() noexcept {
    run_posted();
    poller_.hear_of_changed();
    if (handler_noted_.load(std::memory_order_relaxed)) [[unlikely]]
        wake_for_handlers();
    std::int64_t t = now();
    timers_.advance(t, timers_per_poll);
    const std::int64_t timeout = mailbox_->filled() ? 0 : time_to_wait(t);
    if (heart_ != nullptr && timeout != 0) heart_->rest();
    collect_events(timeout);
    if (heart_ != nullptr) heart_->beat(monotonic_now());
    if (timeout != 0) {
        t = now();
        timers_.advance(t, timers_per_poll);
    }
    since_poll_ += refill_ - budget_;
    refill_budget(timeout == 0 ? t - last_poll_ : 0, poll_interval);
    switches_ += since_poll_;
    since_poll_ = 0;
    last_poll_ = t;
    if (hook_ == nullptr) [[likely]]
        return;
    budget_ = refill_ = 0;
    bring_picked_forward();
}

std::int64_t scheduler::time_to_wait(std::int64_t now) noexcept {
    if (!ready_.empty()) return 0;
    if (!something_awaited()) {
        declare_deadlock();
        return 0;
    }
    const std::int64_t next = timers_.next();
    if (virtual_now != 0 && next != forever) return waits_for_outside() ? virtual_grace_ : 0;
    const std::int64_t wait = next == forever ? forever : std::max<std::int64_t>(next - now, 0);
    if (wait != 0 && stacks_->trim(now)) return std::min(wait, stacks_->trim_delay());
    return wait == forever ? -1 : wait;
}

void scheduler::collect_events(std::int64_t timeout_ns) noexcept {
    if (asio_ != nullptr)
        asio_->poll(timeout_ns);
    else
        poller_.poll(timeout_ns);
    // A virtual clock jumps to the next timer when nothing else can happen.
    if (virtual_now != 0 && ready_.empty() && !mailbox_->filled() && !timers_.empty()) {
        virtual_now = std::max(virtual_now, timers_.next());
        timers_.advance(virtual_now, timers_per_poll);
    }
}

void scheduler::run_posted() noexcept {
    for (auto& f : mailbox_->take()) {
        try {
            f();
        } catch (...) {
            surface("a posted function", std::current_exception());
        }
        leave_forked_loop();
    }
    run_wakes();
}

// A function on the loop forked and returned in the child, where this loop is not to go on.
void scheduler::leave_forked_loop() const noexcept {
    if (current_scheduler != this) [[unlikely]]
        std::exit(EXIT_SUCCESS);
}

// --- the life of a fiber ---------------------------------------------------------------------

// Killed before it started.
void scheduler::drop_unstarted(fiber_core& f) noexcept {
    --dead_in_queue_;
    bury(f);
}

void scheduler::reserve() { ready_.reserve(live_ + dead_in_queue_ + 2); }

void scheduler::start(fiber_core& f, std::int64_t start_ns) noexcept {
    f.owner = this;
    f.id = next_id_++;
    all_.push_back(f);
    ++live_;
    if (start_ns != 0) {
        if (current_fiber != nullptr) hear_news(*current_fiber);
        timers_.set(f, start_ns);
    } else
        ready_.push(f);
    if (!shutting_down_) [[likely]]
        return;
    // What starts while everything ends may run up to its first suspension, to clean up.
    if (start_ns != 0)
        end_unstarted(f, nullptr);
    else
        f.add(f.kill);
}

__attribute__((always_inline)) inline void scheduler::run_fiber() {
    fiber_core& self = *current_fiber;
    run_body(self);
    if (self.forked) [[unlikely]]
        end_forked_process(self);
    finish(self);
    jump(self, leave_for(next_to_run()), globals_, true);
    __builtin_unreachable();
}

// One frame, without calls that stay open: the processor's return stack is left as it was found.
void scheduler::enter(context_entrance from) {
    RAMIE_END_OF_BACKTRACE();
    scheduler& s = *current_scheduler;
    fiber_core& previous = begin_context(from, s.globals_);
    if (previous.state == fiber_state::finished) bury(previous);
    if (s.in_hub()) s.run_hub();
    s.run_fiber();
}

void scheduler::run_body(fiber_core& self) noexcept {
    if (self.exited) [[unlikely]] {
        ++self.shields;
        return self.ops->abandon(self);
    }
    try {
        self.ops->run(self);
    } catch (const fiber_exit&) {
        self.exited = true;
    } catch (const system_exit&) {
        self.error = std::current_exception();
        self.observed = true;
        if (!self.forked) throw_in_main(self.error);
    } catch (...) {
        self.error = std::current_exception();
    }
    // What follows may suspend, so here, while the fiber still can.
    ++self.shields;
    drop_locals(self);
    const std::uint32_t not_asking = self.at_end == nullptr ? 1 : 2;
    if (self.references != not_asking) return;
    // Nobody can ask any more.
    self.ops->drop_result(self);
    if (self.extras == nullptr || self.extras->links.empty()) report_unobserved(self);
}

void scheduler::finish(fiber_core& f) noexcept {
    if (auto* const watcher = std::exchange(f.at_end, nullptr)) watcher->ended();
    f.state = fiber_state::finished;
    f.end_order = ++ends_;
    all_.erase(all_.iterator_to(f));
    f.joiners.wake_all();
    if (f.extras != nullptr && !f.extras->links.empty()) call_links(f);
    if (--live_ == 0) last_end_.wake_all();
}

void scheduler::end_unstarted(fiber_core& f, std::exception_ptr error) noexcept {
    // The callable's destructor may suspend: by then nothing may start the fiber any more.
    retain(f);
    f.state = fiber_state::finished;
    f.exited = error == nullptr;
    f.error = std::move(error);
    if (is_system_exit(f.error)) {
        f.observed = true;
        throw_in_main(f.error);
    }
    if (f.armed()) {
        timers_.cancel(f);
        bury(f);
    } else {
        ++dead_in_queue_;
    }
    fiber_core* const self = current_fiber;
    if (self != nullptr) ++self->shields;
    f.ops->abandon(f);
    if (self != nullptr) --self->shields;
    finish(f);
    release(f);
}

void scheduler::kill(fiber_core& f, std::exception_ptr error) noexcept {
    if (f.state == fiber_state::finished || f.kill.is_linked()) return;
    if (f.state == fiber_state::created && !f.must_start) return end_unstarted(f, std::move(error));
    f.kill.error = std::move(error);
    interrupt(f, f.kill);
}

}  // namespace ramie::detail
