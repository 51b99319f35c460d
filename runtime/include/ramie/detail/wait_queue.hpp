// How a fiber parks: a queue of waiters in order of arrival, and the reasons for waking up.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

#include "ramie/deadline.hpp"

namespace ramie::detail {

struct fiber_core;

// Why a parked fiber runs again. The first waker wins; a granted wait is never taken back, so what
// was handed over with it is never lost.
enum class wake : std::uint8_t { granted, timed_out, interrupted, closed };

// Who outside of the scheduler can end a wait; a deadlock is when nobody can.
enum class outside : std::uint8_t { nobody, kernel, another_thread };

// What a fiber waits for, for people: it lives in the frame of the waiting call.
struct wait_point {
    const char* what = "";         // "event", "join", "readable"
    const void* object = nullptr;  // the thing waited on
    int descriptor = -1;
    outside ended_by = outside::nobody;
    void (*describe)(const wait_point&, std::string&) = nullptr;  // appends who holds it
};

using auto_unlink_hook = boost::intrusive::list_base_hook<
    boost::intrusive::link_mode<boost::intrusive::link_mode_type::auto_unlink>>;

// One fiber's place in a queue; on the stack of the waiting call, leaves the queue with it.
struct waiter : auto_unlink_hook {
    explicit waiter(fiber_core& f, bool is_passive = false) noexcept
        : fiber(&f), passive(is_passive) {}
    fiber_core* fiber;
    void (*on_wake)(waiter&) noexcept = nullptr;  // told when it leaves the queue by a wake-up
    bool passive;  // only watches: a wake-up given to it is given to the next one as well
};

class wait_queue {
  public:
    wait_queue() noexcept = default;
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;
    ~wait_queue();

    // Parks the calling fiber at the end of the queue. Suspends the calling fiber.
    wake wait(const wait_point&, deadline);

    // Wakes the first that still waits (and the passive ones before it); false when there is none.
    // Never suspends.
    bool wake_one(wake reason = wake::granted) noexcept;

    // Wakes all that wait now; returns how many. Never suspends.
    std::size_t wake_all(wake reason = wake::granted) noexcept;

    void enqueue(waiter& w) noexcept { waiters_.push_back(w); }
    [[nodiscard]] bool empty() const noexcept { return waiters_.empty(); }

  private:
    boost::intrusive::list<waiter, boost::intrusive::constant_time_size<false>> waiters_;
};

// Parks the calling fiber; what will wake it (a queue it is in, the deadline) is settled by the
// caller. Only on a fiber. Suspends the calling fiber.
wake park_fiber(const wait_point&, deadline) noexcept;

}  // namespace ramie::detail
