#include "ramie/mutex.hpp"

#include <stdexcept>

#include "ramie/errors.hpp"
#include "scheduler.hpp"

namespace ramie {

using detail::fiber_core;
using detail::grant;
using detail::wake;

constinit const detail::wait_kind mutex::kind{"a mutex", detail::outside::nobody, &mutex::describe};

void mutex::describe(const void* self, std::string& out) {
    static_cast<const mutex*>(self)->owner_.describe(out);
}

bool mutex::try_lock_slowly() {
    detail::waiting_fiber(kind.what);
    return try_lock_here();
}

bool mutex::lock_slowly(deadline until) {
    fiber_core& self = detail::waiting_fiber(kind.what);
    if (is_mine())
        throw deadlock_error("ramie: " + self.display_name() +
                             " locks a mutex that it holds already; a recursive_mutex allows it");
    if (try_lock_here()) return true;
    return detail::wait_for_turn(waiters_, kind, this, until, [this] { return try_lock_here(); });
}

void mutex::hand_over() noexcept {
    waiters_.wake_first([this](fiber_core& next) {
        if (!grant(next, wake::granted)) return false;
        owner_.set(next);
        return true;
    });
}

void mutex::refuse_unlock() const {
    std::string text = "ramie: a mutex is unlocked by a fiber that does not hold it; it is";
    if (is_locked())
        owner_.describe(text);
    else
        text += " not locked";
    throw std::logic_error(text);
}

}  // namespace ramie
