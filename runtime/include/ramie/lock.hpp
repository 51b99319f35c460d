// Everything that fibers exclude and wait for each other with.
//
//     ramie::mutex m;
//     { const std::lock_guard held(m); balance += amount; }      // other fibers wait, in order
//     if (std::unique_lock held(m, 2s); held) audit(balance);    // gives up after two seconds
//     ramie::semaphore slots(10);
//
// For the fibers of one thread. All hand over in order of arrival: who gives something up gives it
// to the first that waits for it, and whoever comes meanwhile stands behind. One that is
// destroyed while fibers wait for it wakes them with std::logic_error.
// What waits suspends the calling fiber; giving up, counting down, notifying and try_ never
// suspend.
#pragma once

#include "ramie/condition_variable.hpp"
#include "ramie/latch.hpp"
#include "ramie/mutex.hpp"
#include "ramie/semaphore.hpp"
#include "ramie/shared_mutex.hpp"
