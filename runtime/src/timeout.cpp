#include "ramie/timeout.hpp"

#include "scheduler.hpp"

namespace ramie {

void timeout::start(deadline until) noexcept {
    if (until.is_never()) return;
    if (&fiber_ == detail::current_fiber)
        fiber_.note(*this, until.nanoseconds());
    else
        fiber_.owner->timers().set(*this, until.nanoseconds());
}

void timeout::stop_timer() noexcept { fiber_.owner->timers().cancel(*this); }

void timeout::restart(deadline until) noexcept {
    cancel();
    expired_ = false;
    start(until);
}

void timeout::expire(detail::timer_node& node) noexcept {
    timeout& self = static_cast<timeout&>(static_cast<detail::time_limit&>(node));
    self.expired_ = true;
    // The clock of a fiber that a fork has left behind may still run out.
    if (self.fiber_.owner != nullptr) self.fiber_.owner->interrupt(self.fiber_, self);
}

void timeout::raise() {
    if (error_ != nullptr) std::rethrow_exception(error_);
    throw timeout_expired("timeout expired", this);
}

int timeout::error_number() const noexcept { return ETIMEDOUT; }

}  // namespace ramie
