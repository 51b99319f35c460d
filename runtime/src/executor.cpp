#include "ramie/executor.hpp"

#include <stdexcept>

namespace ramie {

namespace detail {

bool future_state::begin() {
    const std::lock_guard guard(mutex_);
    if (stage_ != stage::pending) return false;
    stage_ = stage::running;
    return true;
}

void future_state::end(stage how, std::exception_ptr error) {
    std::vector<std::function<void()>> callbacks;
    {
        const std::lock_guard guard(mutex_);
        if (stage_ == stage::done || stage_ == stage::cancelled) return;
        stage_ = how;
        error_ = std::move(error);
        callbacks.swap(callbacks_);
    }
    for (auto& each : callbacks) each();
}

bool future_state::cancel() {
    if (!begin()) return cancelled();
    end(stage::cancelled, std::make_exception_ptr(future_cancelled()));
    return true;
}

void future_state::finish(std::exception_ptr error) { end(stage::done, std::move(error)); }

void future_state::when_done(std::function<void()> f) {
    {
        const std::lock_guard guard(mutex_);
        if (stage_ == stage::pending || stage_ == stage::running) {
            callbacks_.push_back(std::move(f));
            return;
        }
    }
    f();
}

bool future_state::wait(deadline until) {
    if (done()) return true;
    async_result<> told;
    when_done([told]() mutable { told.set(); });
    return told.wait(until);
}

void future_state::wait_for_value(deadline until) {
    if (!wait(until)) throw timeout_expired("future::get");
    if (const auto failure = error()) std::rethrow_exception(failure);
}

bool future_state::done() const {
    const std::lock_guard guard(mutex_);
    return stage_ == stage::done || stage_ == stage::cancelled;
}

bool future_state::cancelled() const {
    const std::lock_guard guard(mutex_);
    return stage_ == stage::cancelled;
}

std::exception_ptr future_state::error() const {
    const std::lock_guard guard(mutex_);
    return error_;
}

void completion::one_done(bool suffices) {
    {
        const std::lock_guard guard(mutex_);
        if (missing_ == 0) return;
        missing_ = suffices ? 0 : missing_ - 1;
        if (missing_ != 0) return;
    }
    enough_.set();
}

}  // namespace detail

void executor::keep(std::shared_ptr<detail::future_state> state) {
    const std::lock_guard guard(mutex_);
    if (shut_) throw std::logic_error("ramie: submit() to an executor that was shut down");
    // Now and then, so that each costs little.
    if (unfinished_.size() == unfinished_.capacity())
        std::erase_if(unfinished_, [](const auto& each) { return each->done(); });
    unfinished_.push_back(std::move(state));
}

void executor::shutdown(bool wait, bool cancel_pending) {
    std::vector<std::shared_ptr<detail::future_state>> left;
    {
        const std::lock_guard guard(mutex_);
        shut_ = true;
        left = unfinished_;
    }
    if (cancel_pending)
        for (const auto& each : left) each->cancel();
    if (wait)
        for (const auto& each : left) each->wait({});
}

}  // namespace ramie
