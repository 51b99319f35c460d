#include "ramie/detail/stall_watch.hpp"

#include "scheduler.hpp"

namespace ramie::detail {

namespace {

// In the place of a fiber that a look has seen; a wait begins without it.
bool was_seen(waiter&) noexcept { return true; }

}  // namespace

bool stall_watch::look(descriptor& d, direction dir, std::int64_t now,
                       std::int64_t limit) noexcept {
    if (d.waiting(dir).empty()) return false;
    waiter& first = d.waiting(dir).front();
    if (first.fiber->armed()) return false;
    if (first.on_wake == nullptr) {
        first.on_wake = &was_seen;
        since_ = now;
        return false;
    }
    const bool is_same = first.on_wake == &was_seen;
    return is_same && now - since_ >= limit && end(*first.fiber, dir);
}

// At a deadline a transfer is tried once more. A read that finds something then goes on, and well:
// its peer is there. But a full socket often takes a few bytes though it is far from writable, and
// would do so again and again.
bool stall_watch::end(fiber_core& f, direction dir) noexcept {
    if (dir == direction::read) return grant(f, wake::timed_out);
    if (expiry_.is_linked()) return false;
    f.owner->interrupt(f, expiry_);
    return true;
}

void stall_watch::expiry::raise() { throw timeout_expired("a write that its peer does not read"); }

int stall_watch::expiry::error_number() const noexcept { return ETIMEDOUT; }

}  // namespace ramie::detail
