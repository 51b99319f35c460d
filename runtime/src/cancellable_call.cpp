#include "cancellable_call.hpp"

#include <stdexcept>
#include <utility>

#include "diagnostics.hpp"
#include "ramie/errors.hpp"

namespace ramie::detail {

cancellable_call::cancellable_call(std::function<void()> function) : f(std::move(function)) {
    require_callable(f);
}

void cancellable_call::make(const char* who) {
    calling = true;
    try {
        f();
    } catch (const fiber_exit&) {
        throw;
    } catch (const system_exit&) {
        throw;
    } catch (...) {
        report_unhandled(who, std::current_exception());
    }
    calling = false;
}

void cancellable_call::cancel(const fiber_base& runner) noexcept {
    if (std::exchange(cancelled, true) || calling) return;
    try {
        runner.try_kill();
    } catch (const std::logic_error&) {  // NOLINT(bugprone-empty-catch)
        // Its scheduler has ended, or is that of the process this one was forked from: the fiber
        // never runs again.
    }
}

}  // namespace ramie::detail
