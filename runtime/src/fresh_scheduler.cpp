#include "fresh_scheduler.hpp"

#include <stdexcept>

namespace ramie::detail {

scheduler::fresh::fresh() {
    if (outer_ != nullptr && outer_fiber_ != outer_->main_)
        throw std::logic_error(
            "ramie::testing: schedules are explored from the main fiber of a thread, not from "
            "one that was spawned");
    current_scheduler = nullptr;
    current_fiber = nullptr;
    current_table = {};
    transfers_in_turn = 0;
    try {
        create();
    } catch (...) {
        current_scheduler = outer_;
        current_fiber = outer_fiber_;
        current_table = outer_table_;
        throw;
    }
}

scheduler::fresh::~fresh() {
    destroy();
    current_scheduler = outer_;
    current_fiber = outer_fiber_;
    current_table = outer_table_;
    transfers_in_turn = outer_transfers_;
    // A fork came between: the outer one is a copy of the parent's, too.
    if (outer_ != nullptr && outer_->is_of_parent()) outer_->continue_in_child(*outer_fiber_);
}

void scheduler::fresh::use_virtual_time() noexcept {
    constexpr std::int64_t far = std::int64_t{1} << 52;
    current_scheduler->set_virtual_grace(1'000'000);
    current_scheduler->virtual_now = (current_scheduler->now() / far + 1) * far;
}

}  // namespace ramie::detail
