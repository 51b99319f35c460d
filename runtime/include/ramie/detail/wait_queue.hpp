// How a fiber parks: a queue of waiters in order of arrival, and the reasons for waking up.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "ramie/deadline.hpp"

namespace ramie::detail {

struct fiber_core;

// The fiber that runs on this thread; null outside of fibers (no scheduler, or inside its loop).
extern constinit thread_local fiber_core* current_fiber __attribute__((tls_model("initial-exec")));

// Why a parked fiber runs again. The first waker wins; a granted wait is never taken back, so what
// was handed over with it is never lost.
enum class wake : std::uint8_t { granted, timed_out, interrupted, closed };

// Who outside of the scheduler can end a wait; a deadlock is when nobody can.
enum class outside : std::uint8_t { nobody, kernel, another_thread };

// Whether a signal's handler that runs meanwhile ends the wait of the main fiber with EINTR, as it
// ends that of a thread: not when the handler was installed with SA_RESTART, for most libc calls.
enum class handler_ends : std::uint8_t { nothing, unless_restarting, always };

// What a fiber waits for, for people: one constant for each sort of wait.
struct wait_kind {
    const char* what;  // "an event"
    outside ended_by = outside::nobody;
    // Appends which one, and who holds it.
    void (*describe)(const void* object, std::string&) = nullptr;
    handler_ends handler = handler_ends::nothing;
};

using auto_unlink_hook = boost::intrusive::list_base_hook<
    boost::intrusive::link_mode<boost::intrusive::link_mode_type::auto_unlink>>;

// One fiber's place in a queue. A fiber has one of its own, and one that waits in several queues
// makes more on its stack, which leave the queues with it.
struct waiter : auto_unlink_hook {
    explicit waiter(fiber_core& f) noexcept : fiber(&f) {}
    fiber_core* fiber;
    // Told when it leaves the queue by a wake-up. False: it only watches, and what is given to it
    // is given to the next one as well.
    bool (*on_wake)(waiter&) noexcept = nullptr;
};

// What was waited for is no more: who catches it must not touch that.
struct wait_target_destroyed : std::logic_error {
    using std::logic_error::logic_error;
};

class wait_queue {
  public:
    wait_queue() noexcept = default;
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;
    ~wait_queue();

    // Parks the calling fiber at the end of the queue. Suspends the calling fiber.
    wake wait(const wait_kind&, const void* object, deadline);

    // Wakes the first that still waits (and the passive ones before it); false when there is none.
    // Never suspends.
    bool wake_one(wake reason = wake::granted) noexcept;

    // Wakes all that wait now; returns how many. Never suspends.
    std::size_t wake_all(wake reason = wake::granted) noexcept;

    // Parks the calling fiber in the place that `self`, which is in the queue, has there. Granted:
    // it got what it waits for; timed_out: the deadline passed; interrupted: it was passed over
    // while a timeout that was cancelled since broke the wait, so what it waits for may be there
    // for the taking. In each case `self` has left the queue. Throws what interrupts the wait, and
    // wait_target_destroyed when the queue was closed. Suspends the calling fiber.
    wake wait_turn(waiter& self, const wait_kind&, const void* object, deadline);

    // Tells all who wait, also those that are about to leave, that there is nothing to wait for any
    // more. Never suspends.
    void close() noexcept;

    void enqueue(waiter& w) noexcept { waiters_.push_back(w); }
    // For one that was woken and found nothing: its turn is not over.
    void enqueue_first(waiter& w) noexcept { waiters_.push_front(w); }
    [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }
    [[nodiscard]] waiter& front() noexcept { return waiters_.front(); }

    // wake_one() with another way to make a fiber ready; false of that: it was woken already.
    template <class Grant>
    bool wake_first(Grant grant) noexcept {
        while (!waiters_.empty()) {
            waiter& first = take_first();
            const bool consumes = first.on_wake == nullptr || first.on_wake(first);
            // One that was woken by something else meanwhile does not count: nothing is lost.
            if (grant(*first.fiber) && consumes) [[likely]]
                return true;
        }
        return false;
    }

  private:
    waiter& take_first() noexcept {
        waiter& first = waiters_.front();
        waiters_.pop_front();
        return first;
    }

    boost::intrusive::list<waiter, boost::intrusive::constant_time_size<false>> waiters_;
};

// Waits in `queue` until the calling fiber is handed what it waits for; false at the deadline.
// `take` takes it, if it is there. Suspends the calling fiber.
template <class Take>
bool wait_for_turn(wait_queue& queue, waiter& self, const wait_kind& kind, const void* object,
                   deadline until, Take take) {
    queue.enqueue(self);
    for (;;) {
        const wake reason = queue.wait_turn(self, kind, object, until);
        if (reason != wake::interrupted) [[likely]]
            return reason == wake::granted;
        if (take()) return true;
        queue.enqueue_first(self);
    }
}

// The calling fiber, for whom `call` may wait. Throws std::logic_error on the loop.
fiber_core& find_waiting_fiber(const char* call);
inline fiber_core& waiting_fiber(const char* call) {
    return current_fiber != nullptr ? *current_fiber : find_waiting_fiber(call);
}

// Parks the calling fiber; what will wake it (a queue it is in, the deadline) is settled by the
// caller. Only on a fiber. Suspends the calling fiber.
wake park_fiber(const wait_kind&, const void* object, deadline) noexcept;

inline constexpr wait_kind sleeping{"the end of a sleep"};

}  // namespace ramie::detail
