#include "ramie/timeout.hpp"

#include "scheduler.hpp"

namespace ramie {

timeout::alarm::alarm(timeout& t) noexcept : timer_node(&timeout::expire), owner(t) {}

timeout::timeout(deadline until, std::exception_ptr error)
    : alarm_(*this), fiber_(detail::waiting_fiber("timeout")), error_(std::move(error)) {
    if (!until.is_never()) fiber_.owner->timers().set(alarm_, until.nanoseconds());
}

timeout::~timeout() { cancel(); }

void timeout::cancel() noexcept {
    fiber_.owner->timers().cancel(alarm_);
    if (is_linked()) unlink();
}

void timeout::restart(deadline until) noexcept {
    cancel();
    expired_ = false;
    if (!until.is_never()) fiber_.owner->timers().set(alarm_, until.nanoseconds());
}

bool timeout::pending() const noexcept { return alarm_.armed(); }

void timeout::expire(detail::timer_node& node) noexcept {
    timeout& self = static_cast<alarm&>(node).owner;
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
