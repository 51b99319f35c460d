// What a test puts in the way of every switch.
#pragma once

#include <cstdint>

#include "ready_ring.hpp"

namespace ramie::detail {

class schedule_hook {
  public:
    // The running fiber has parked, given way or ended, and the next one was not picked yet. May
    // make fibers ready.
    virtual void left(fiber_core&) noexcept {}

    // Which of the ready fibers, at least two, runs next, as a place in the queue. `leaving` is
    // null when the loop asks; it is ready itself, and last in the queue, when it gave way.
    virtual std::uint32_t pick(const ready_ring&, const fiber_core* leaving) noexcept = 0;

    // Which of so many things, at least two, a fiber does that may do any of them.
    virtual std::uint32_t choose(std::uint32_t) noexcept { return 0; }

    // Giving way only offers to be pre-empted: going on is as good.
    bool preempting = false;

  protected:
    schedule_hook() = default;
    schedule_hook(const schedule_hook&) = default;
    schedule_hook& operator=(const schedule_hook&) = default;
    ~schedule_hook() = default;
};

}  // namespace ramie::detail
