#include "ramie/condition_variable.hpp"

#include "scheduler.hpp"

namespace ramie {

namespace {

constexpr detail::wait_kind a_notification{"a notification of a condition_variable"};

}  // namespace

condition_variable::place::place() : self(detail::waiting_fiber(a_notification.what)) {}

condition_variable::place::~place() {
    if (self.is_linked()) self.unlink();
}

bool condition_variable::wait_here(detail::waiter& self, deadline until) {
    // Giving the lock back may have notified.
    if (!self.is_linked()) return true;
    return waiters_.wait_turn(self, a_notification, this, until) != detail::wake::timed_out;
}

}  // namespace ramie
