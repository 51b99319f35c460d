// The scheduler of one thread: a FIFO of ready fibers, a timer wheel, a reactor, and the hub (a
// context of its own) that runs only when no fiber is ready, or to keep I/O and timers fair.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>

#include "context.hpp"
#include "mailbox.hpp"
#include "poller.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ready_ring.hpp"
#include "schedule_hook.hpp"
#include "stack_pool.hpp"
#include "timer_wheel.hpp"

namespace ramie::detail {

class asio_loop;
class heartbeat;
class scheduler;

extern constinit thread_local scheduler* current_scheduler
    __attribute__((tls_model("initial-exec")));

// The fiber whose stack this thread runs on for good, in a child that it forked; else null.
extern constinit thread_local fiber_core* fiber_that_forked;

class scheduler {
  public:
    // The calling thread's, made at the first use. Throws std::system_error.
    static scheduler& get() {
        if (current_scheduler == nullptr) [[unlikely]]
            create();
        return *current_scheduler;
    }
    static scheduler* find() noexcept { return current_scheduler; }
    // Ends the calling thread's scheduler; fibers that are left are never resumed.
    static void destroy() noexcept;

    // In a child that fork() made: `self`, which called it, is the only fiber from now on and the
    // main one. False when the kernel objects that are needed are not to be had.
    bool continue_in_child(fiber_core& self) noexcept;
    [[nodiscard]] bool is_of_parent() const noexcept;

    // Parks the calling fiber until grant() or interrupt(), or until the deadline. The waiter that
    // will be granted is queued by the caller.
    wake park(const wait_kind&, const void* object, deadline) noexcept;

    // The same, inlined, see switching.hpp.
    wake park_here(const wait_kind&, const void* object, deadline) noexcept;

    // The same with the fiber's own waiter in a queue, which it leaves. Inlined, see switching.hpp.
    wake park_queued(const wait_kind&, const void* object, deadline) noexcept;

    // The wait of a fiber that is interrupted already.
    wake refuse(const wait_kind&, const void* object) noexcept;

    // As wait_queue::wake_one, of a queue in which only own fibers wait.
    bool wake_one(wait_queue&, wake reason = wake::granted) noexcept;

    // Makes a parked fiber ready; false when it is not parked (another waker was first).
    bool grant(fiber_core&, wake reason) noexcept;

    // Queues `i` on `f`, and breaks its wait. A fiber that never started ends at once.
    void interrupt(fiber_core& f, detail::interrupt& i) noexcept;

    // Lets the other ready fibers run; throws what interrupts the caller.
    void yield();

    // True when the calling fiber must be told of an interrupt now.
    [[nodiscard]] bool interrupt_due(const fiber_core& self) const noexcept {
        return !self.interrupts.empty() && !is_shielded(self);
    }

    // Sets the thread's scheduler aside for a new one, and ends that one again. Only on a main
    // fiber.
    class fresh;

    // Makes room for one more fiber. Throws std::bad_alloc.
    void reserve();

    // Makes ready whom other threads and signal handlers have woken. Never suspends.
    void run_wakes() noexcept { mailbox_->run_wakes(); }
    // At the next switch. Callable in a signal handler of this thread.
    void look_at_mailbox_soon() noexcept {
        since_poll_ -= budget_;
        budget_ = 0;
    }
    void start(fiber_core&, std::int64_t start_ns) noexcept;

    // Sets the timers of the limits that the running fiber has noted, and finds out whether there
    // are interrupts.
    void hear_news(fiber_core&) noexcept;
    void kill(fiber_core&, std::exception_ptr) noexcept;
    void timer_expired(fiber_core&) noexcept;

    // Starts the links of an ended fiber, unless that is under way.
    void call_links(fiber_core&) noexcept;

    // Where every context begins: the hub's loop, or a fiber's body.
    [[noreturn]] static void enter(context_entrance from);

    [[nodiscard]] std::int64_t now() const noexcept;
    [[nodiscard]] static bool in_hub() noexcept { return current_fiber == nullptr; }
    [[nodiscard]] const stack_span& loop_stack() const noexcept { return hub_stack_; }
    [[nodiscard]] fiber_core& main_fiber() noexcept { return *main_; }
    [[nodiscard]] timer_wheel& timers() noexcept { return timers_; }
    [[nodiscard]] poller& reactor() noexcept { return poller_; }
    [[nodiscard]] const std::shared_ptr<mailbox>& post_box() const noexcept { return mailbox_; }
    [[nodiscard]] stack_pool& stacks() noexcept { return *stacks_; }
    [[nodiscard]] asio_loop& asio();
    [[nodiscard]] std::size_t live_fibers() const noexcept { return live_; }
    [[nodiscard]] const ready_ring& ready() const noexcept { return ready_; }
    [[nodiscard]] std::uint64_t switches() const noexcept { return switches_; }

    // A line for each fiber, the main fiber first.
    [[nodiscard]] std::string describe_fibers();
    // For those that were spawned after the one of this number.
    [[nodiscard]] std::string describe_fibers(std::uint64_t after);
    [[nodiscard]] std::uint64_t last_id() const noexcept { return next_id_ - 1; }
    template <class F>
    void for_each_fiber(F f) {
        for (fiber_core& each : all_) f(each);
    }

    // Kills every fiber that is left and waits for their ends until `until`; false when some
    // remain.
    bool shut_down(deadline until) noexcept;
    bool running = false;  // inside run()

    // A virtual clock for tests; 0: real time. While someone outside may end a wait, it gives them
    // so much real time before it jumps.
    std::int64_t virtual_now = 0;
    void set_virtual_grace(std::int64_t ns) noexcept { virtual_grace_ = ns; }

    // See handled_signals.hpp. The first is async-signal-safe.
    void note_handler(handler_ends reach) noexcept;
    [[nodiscard]] std::uint64_t handlers_run() const noexcept { return handlers_run_; }
    [[nodiscard]] wait_queue& waiting_for_handler() noexcept { return waiting_for_handler_; }

    // For tests; null: the fibers run in the order in which they became ready.
    void set_hook(schedule_hook*) noexcept;
    [[nodiscard]] schedule_hook* hook() const noexcept { return hook_; }

    // What on_blocked() looks at; null while nobody wants reports.
    void keep_heartbeat() noexcept;
    [[nodiscard]] const heartbeat* heart() const noexcept { return heart_.get(); }

    // An exception that nobody else takes. system_exit goes to the main fiber.
    void surface(const std::string& where, std::exception_ptr) noexcept;

  private:
    // Thrown in the main fiber whatever it waits for: a system_exit, a deadlock.
    struct main_request final : detail::interrupt {
        [[noreturn]] void raise() override;
        [[nodiscard]] int error_number() const noexcept override { return number; }
        void unlink_if_linked() noexcept {
            if (is_linked()) unlink();
        }
        std::exception_ptr error;
        int number = ECANCELED;
    };

    // Ends the main fiber's wait in a libc call.
    struct handler_interrupt final : detail::interrupt {
        [[noreturn]] void raise() override;
        [[nodiscard]] int error_number() const noexcept override;
    };

    scheduler();
    ~scheduler();
    static void create();

    void drop(fiber_core&) noexcept;
    void drop_all() noexcept;
    void end_own_contexts() noexcept;
    void become_main(fiber_core&) noexcept;
    void forget_others(fiber_core& self) noexcept;
    [[noreturn]] static void end_forked_process(fiber_core& self) noexcept;
    void leave_forked_loop() const noexcept;

    [[noreturn]] void run_fiber();
    [[noreturn]] void run_hub();
    fiber_core* next_ready() noexcept;
    void drop_unstarted(fiber_core&) noexcept;
    fiber_core* next_to_run() noexcept;
    fiber_core& leave_for(fiber_core* next) noexcept;
    void switch_from(fiber_core& self, fiber_core* next) noexcept;
    void resume_next(fiber_core& self) noexcept;
    bool may_skip_poll() noexcept;
    bool consult_hook() noexcept;
    void bring_picked_forward() noexcept;
    void refill_budget(std::int64_t elapsed, std::int64_t rest) noexcept;
    void poll() noexcept;
    [[nodiscard]] std::int64_t time_to_wait(std::int64_t now) noexcept;
    void collect_events(std::int64_t timeout_ns) noexcept;
    void run_posted() noexcept;
    void wake_for_handlers() noexcept;
    bool something_awaited() noexcept;
    [[nodiscard]] bool waits_for_outside() const noexcept;
    void declare_deadlock() noexcept;
    void throw_in_main(std::exception_ptr, int error_number = ECANCELED) noexcept;
    // Of the running fiber: a throw during unwinding would terminate.
    [[nodiscard]] bool is_shielded(const fiber_core& f) const noexcept {
        return f.shields != 0 || globals_.exceptions->uncaught != 0;
    }
    [[noreturn]] static void refuse_wrong_thread(const fiber_core&) noexcept;
    void run_body(fiber_core&) noexcept;
    void finish(fiber_core&) noexcept;
    void end_unstarted(fiber_core&, std::exception_ptr) noexcept;
    void let_go_unstarted(fiber_core&) noexcept;

    // What a switch touches.
    ready_ring ready_;
    thread_globals globals_;
    std::uint32_t budget_ = 0;  // switches until the clock is looked at

    const pthread_t thread_ = pthread_self();
    fiber_core* main_;
    fiber_core hub_;
    std::shared_ptr<mailbox> mailbox_;
    poller poller_;
    timer_wheel timers_;
    stack_pool* stacks_;
    stack_span hub_stack_;
    boost::intrusive::list<fiber_core, boost::intrusive::constant_time_size<false>> all_;
    std::size_t live_ = 0;
    std::size_t dead_in_queue_ = 0;  // killed before their start, still in the ready queue
    std::uint64_t next_id_ = 1;
    std::uint64_t ends_ = 0;
    wait_queue last_end_;  // shut_down waits here
    bool shutting_down_ = false;
    std::unique_ptr<asio_loop> asio_;
    main_request main_request_;
    std::size_t waits_[3] = {};  // by `outside`

    // Since the last poll: when it was, how many switches, how many until the clock is looked at.
    std::int64_t last_poll_ = 0;
    std::uint32_t since_poll_ = 0;
    std::uint32_t refill_ = 0;
    schedule_hook* hook_ = nullptr;
    std::shared_ptr<heartbeat> heart_;
    std::int64_t virtual_grace_ = 0;
    std::uint64_t switches_ = 0;

    // Written by handlers, which interrupt this very thread.
    std::atomic<std::uint64_t> handlers_run_{0};
    std::atomic<const wait_kind*> handler_ends_call_{nullptr};
    std::atomic<bool> handler_noted_{false};
    wait_queue waiting_for_handler_;
    handler_interrupt handler_interrupt_;
};

inline bool scheduler::grant(fiber_core& f, wake reason) noexcept {
    if (f.state != fiber_state::parked) return false;
#ifndef NDEBUG
    if (!pthread_equal(thread_, pthread_self())) [[unlikely]]
        refuse_wrong_thread(f);
#endif
    f.state = fiber_state::ready;
    f.wake_reason = reason;
    ready_.push(f);
    return true;
}

inline bool scheduler::wake_one(wait_queue& queue, wake reason) noexcept {
    return queue.wake_first([&](fiber_core& f) { return grant(f, reason); });
}

// The same by whoever owns the fiber.
inline bool grant(fiber_core& f, wake reason) noexcept {
    return f.state == fiber_state::parked && f.owner->grant(f, reason);
}

// Throws std::logic_error when the caller runs on the loop itself, where nothing may wait.
[[noreturn]] void refuse_to_block_loop(const char* call);
inline void require_fiber(const scheduler& s, const char* call) {
    if (s.in_hub()) [[unlikely]]
        refuse_to_block_loop(call);
}

// Waits for the end of a fiber without looking at how it ended; false at the deadline. Suspends the
// calling fiber.
bool wait_for_end(fiber_core&, deadline);

// Drops the scheduler's own reference. Not on the stack of the fiber.
void bury(fiber_core&) noexcept;

// Reports the exception that the fiber ended with, once, unless somebody has looked at it.
void report_unobserved(fiber_core&) noexcept;

}  // namespace ramie::detail
