#include "ramie/semaphore.hpp"

#include <stdexcept>
#include <string>

#include "scheduler.hpp"

namespace ramie {

namespace {

constexpr detail::wait_kind a_permit{"a permit of a semaphore"};

}  // namespace

bool semaphore::acquire_slowly(deadline until) {
    return detail::wait_for_turn(waiters_, a_permit, this, until, [this] { return try_acquire(); });
}

void semaphore::hand_over(std::size_t count) noexcept {
    const auto wake = [](detail::fiber_core& f) { return grant(f, detail::wake::granted); };
    while (count != 0 && waiters_.wake_first(wake)) --count;
    permits_ += count;
}

void bounded_semaphore::refuse_release(std::size_t count) const {
    throw std::logic_error("ramie: " + std::to_string(count) + " permits are released, but of " +
                           std::to_string(bound_) + " only " + std::to_string(taken_) +
                           " are taken");
}

}  // namespace ramie
