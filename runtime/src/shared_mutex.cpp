#include "ramie/shared_mutex.hpp"

#include <stdexcept>
#include <string>

#include "ramie/errors.hpp"
#include "scheduler.hpp"

namespace ramie {

using detail::fiber_core;

struct shared_mutex::place : detail::waiter {
    place(fiber_core& f, mode m) noexcept : waiter(f), wanted(m) {}
    mode wanted;
};

constinit const detail::wait_kind shared_mutex::kind{"a shared_mutex", detail::outside::nobody,
                                                     &shared_mutex::describe};

void shared_mutex::describe(const void* self, std::string& out) {
    const auto& m = *static_cast<const shared_mutex*>(self);
    m.writer_.describe(out);
    if (m.readers_ != 0) out += " held by " + std::to_string(m.readers_) + " readers";
}

fiber_core& shared_mutex::caller() { return detail::waiting_fiber(kind.what); }

bool shared_mutex::open_to(mode wanted) const noexcept {
    return !writer_.is_somebody() && (wanted == shared || readers_ == 0);
}

bool shared_mutex::enter(mode wanted, fiber_core& who) noexcept {
    if (!open_to(wanted)) return false;
    if (wanted == exclusive)
        writer_.set(who);
    else
        ++readers_;
    return true;
}

bool shared_mutex::lock(mode wanted, deadline until) {
    fiber_core& self = caller();
    if (writer_.is_caller())
        throw deadlock_error("ramie: " + self.display_name() +
                             " locks a shared_mutex that it has for itself already");
    if (waiters_.empty() && enter(wanted, self)) return true;
    place mine(self, wanted);
    try {
        if (detail::wait_for_turn(waiters_, mine, kind, this, until,
                                  [&] { return enter(wanted, self); }))
            return true;
    } catch (const detail::wait_target_destroyed&) {
        throw;
    } catch (...) {
        admit();
        throw;
    }
    // A writer that gives up no longer keeps the readers behind it out.
    admit();
    return false;
}

void shared_mutex::admit() noexcept {
    while (!waiters_.empty()) {
        auto& first = static_cast<place&>(waiters_.front());
        if (!open_to(first.wanted)) return;
        first.unlink();
        if (grant(*first.fiber, detail::wake::granted)) enter(first.wanted, *first.fiber);
    }
}

void shared_mutex::unlock() {
    if (!writer_.is_caller())
        throw std::logic_error(
            "ramie: a shared_mutex is unlocked by a fiber that does not have it for itself");
    writer_.clear();
    admit();
}

void shared_mutex::unlock_shared() {
    if (readers_ == 0)
        throw std::logic_error("ramie: unlock_shared() of a shared_mutex without readers");
    --readers_;
    admit();
}

}  // namespace ramie
