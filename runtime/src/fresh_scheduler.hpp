// A new scheduler for a while, on a thread that may have one already.
#pragma once

#include "ramie/detail/descriptors.hpp"
#include "ramie/detail/transfer.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

class scheduler::fresh {
  public:
    // Throws std::logic_error in a fiber that was spawned: the main fiber of the new scheduler is
    // the thread's own stack.
    fresh();
    ~fresh();
    fresh(const fresh&) = delete;
    fresh& operator=(const fresh&) = delete;

    // Time that a test controls, from a moment at which the slots of the timers are always the same
    // ones: what the clock says must not change the order of anything.
    void use_virtual_time() noexcept;

  private:
    scheduler* outer_ = current_scheduler;
    fiber_core* outer_fiber_ = current_fiber;
    descriptor_table outer_table_ = current_table;
    std::uint32_t outer_transfers_ = transfers_in_turn;
};

}  // namespace ramie::detail
