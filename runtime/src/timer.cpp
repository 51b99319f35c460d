#include "ramie/timer.hpp"

#include <stdexcept>

#include "diagnostics.hpp"
#include "scheduler.hpp"

namespace ramie {

struct timer::state {
    std::function<void()> call;
    std::int64_t next;
    std::int64_t period;  // 0: once
    bool cancelled = false;
    bool calling = false;
};

namespace {

std::int64_t checked(std::chrono::nanoseconds period) {
    if (period.count() <= 0)
        throw std::invalid_argument("ramie: a timer's period must be positive");
    return period.count();
}

void call_safely(const std::function<void()>& f) {
    try {
        f();
    } catch (const fiber_exit&) {
        throw;
    } catch (const system_exit&) {
        throw;
    } catch (...) {
        detail::report_unhandled("a timer", std::current_exception());
    }
}

}  // namespace

timer::timer(deadline when, std::function<void()> f)
    : state_(std::make_shared<state>(state{std::move(f), when.nanoseconds(), 0})) {
    detail::require_callable(state_->call);
    if (!when.is_never()) runner_ = spawn_later(when, &timer::run, state_);
}

timer::timer(deadline first, std::chrono::nanoseconds period, std::function<void()> f)
    : timer(deadline(), std::move(f)) {
    state_->period = checked(period);
    state_->next = first.nanoseconds();
    if (!first.is_never()) runner_ = spawn_later(first, &timer::run, state_);
}

void timer::run(const std::shared_ptr<state>& self) {
    while (!self->cancelled) {
        self->calling = true;
        call_safely(self->call);
        self->calling = false;
        if (self->period == 0 || self->cancelled) return;
        const std::int64_t late = detail::now_ns() - self->next;
        self->next += (late / self->period + 1) * self->period;
        this_fiber::sleep_until(deadline::at(self->next));
    }
}

void timer::cancel() noexcept {
    if (state_ == nullptr || state_->cancelled) return;
    state_->cancelled = true;
    if (!state_->calling && runner_) runner_.try_kill();
}

bool timer::active() const noexcept {
    return state_ != nullptr && runner_ && !runner_.ready() &&
           (!state_->cancelled || state_->calling);
}

}  // namespace ramie
