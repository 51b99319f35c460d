#include "ramie/async_result.hpp"

#include <stdexcept>

#include "mailbox.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

constexpr wait_kind a_result{"an async_result", outside::another_thread};

}  // namespace

async_state::async_state() : home_(scheduler::get().post_box()) {}

bool async_state::ready() const noexcept {
    const std::lock_guard guard(mutex);
    return done_;
}

std::exception_ptr async_state::exception() const noexcept {
    const std::lock_guard guard(mutex);
    return error_;
}

bool async_state::wait(deadline until) {
    if (scheduler::get().post_box() != home_)
        throw std::logic_error("ramie: an async_result is awaited on the thread that made it");
    const auto keep = shared_from_this();
    while (!ready()) {
        const wake reason = waiters_.wait(a_result, this, until);
        if (reason == wake::interrupted) raise_interrupt();
        if (reason == wake::timed_out) return ready();
    }
    return true;
}

void async_state::wait_for_value(deadline until) {
    if (!wait(until)) throw timeout_expired("async_result::get");
    if (const std::exception_ptr error = exception()) std::rethrow_exception(error);
}

void async_state::wake_waiters() {
    const scheduler* here = scheduler::find();
    if (here != nullptr && here->post_box() == home_) {
        waiters_.wake_all();
        return;
    }
    home_->post([self = shared_from_this()] { self->waiters_.wake_all(); });
}

}  // namespace ramie::detail
