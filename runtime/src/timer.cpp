#include "ramie/timer.hpp"

#include <stdexcept>
#include <utility>

#include "cancellable_call.hpp"
#include "scheduler.hpp"

namespace ramie {

struct timer::state {
    detail::cancellable_call call;
    std::int64_t next;
    std::int64_t period = 0;  // 0: once
};

namespace {

std::int64_t checked(std::chrono::nanoseconds period) {
    if (period.count() <= 0)
        throw std::invalid_argument("ramie: a timer's period must be positive");
    return period.count();
}

}  // namespace

timer::timer(deadline when, std::function<void()> f)
    : state_(std::make_shared<state>(
          state{detail::cancellable_call(std::move(f)), when.nanoseconds()})) {
    if (!when.is_never()) runner_ = spawn_later(when, &timer::run, state_);
}

timer::timer(deadline first, std::chrono::nanoseconds period, std::function<void()> f)
    : timer(deadline(), std::move(f)) {
    state_->period = checked(period);
    state_->next = first.nanoseconds();
    if (!first.is_never()) runner_ = spawn_later(first, &timer::run, state_);
}

void timer::run(const std::shared_ptr<state>& self) {
    while (!self->call.cancelled) {
        self->call.make("a timer");
        if (self->period == 0 || self->call.cancelled) return;
        const std::int64_t late = detail::now_ns() - self->next;
        self->next += (late / self->period + 1) * self->period;
        this_fiber::sleep_until(deadline::at(self->next));
    }
}

void timer::cancel() noexcept {
    if (state_ != nullptr) state_->call.cancel(runner_);
}

bool timer::active() const noexcept { return state_ != nullptr && state_->call.active(runner_); }

}  // namespace ramie
