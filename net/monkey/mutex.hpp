// A pthread mutex on fibers.
#pragma once

#include "time_limit.hpp"

namespace ramie::monkey::detail {

// As pthread_mutex_lock and pthread_mutex_unlock; also for a fiber that returns from waiting for a
// condition. The first suspends the calling fiber.
int lock_on_fiber(pthread_mutex_t*, const time_limit& = {}) noexcept;
int unlock_on_fiber(pthread_mutex_t*) noexcept;

}  // namespace ramie::monkey::detail
