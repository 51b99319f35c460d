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
    detail::describe_holder(static_cast<const mutex*>(self)->owner_, out);
}

bool mutex::try_lock_slowly() {
    detail::waiting_fiber(kind.what);
    return try_lock_here();
}

bool mutex::lock_slowly(deadline until) {
    fiber_core& self = detail::waiting_fiber(kind.what);
    if (owner_ == &self)
        throw deadlock_error("ramie: " + self.display_name() +
                             " locks a mutex that it holds already; a recursive_mutex allows it");
    if (try_lock_here()) return true;
    return detail::wait_for_turn(waiters_, kind, this, until, [this] { return try_lock_here(); });
}

void mutex::hand_over() noexcept {
    waiters_.wake_first([this](fiber_core& next) {
        if (!grant(next, wake::granted)) return false;
        owner_ = &next;
        return true;
    });
}

void mutex::refuse_unlock() const {
    std::string text = "ramie: a mutex is unlocked by a fiber that does not hold it; it is";
    if (owner_ == nullptr)
        text += " not locked";
    else
        detail::describe_holder(owner_, text);
    throw std::logic_error(text);
}

}  // namespace ramie
