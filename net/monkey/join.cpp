// Waiting for a thread, and spin locks: no event tells a fiber of either, it asks from time to
// time.

#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>

#include "ramie/detail/fiber_core.hpp"
#include "stream_io.hpp"
#include "time_limit.hpp"

namespace ramie::monkey::detail {

namespace {

// A kill waits until the thread has ended: a std::jthread's destructor must not throw.
int join_on_fiber(pthread_t thread, void** value, const time_limit& limit) noexcept {
    // Finds the same mistakes as one that waits, unlike pthread_tryjoin_np(); ThreadSanitizer sees
    // it, unlike pthread_clockjoin_np().
    constexpr timespec past{0, 0};
    const shielded_scope shield(*current_fiber);
    for (back_off between;;) {
        const int result = real::pthread_timedjoin_np(thread, value, &past);
        if (result != ETIMEDOUT) return result;
        // libc does not refuse an invalid time, but goes on waiting.
        const auto look = limit.is_valid() ? limit.next() : time_limit().next();
        if (look.is_last && look.at.expired()) return ETIMEDOUT;
        between.pause(look.at);
    }
}

// The holder may be a fiber of this thread.
int spin_on_fiber(pthread_spinlock_t* lock) noexcept {
    constexpr int tries = 100;
    constexpr int rounds = 100;
    const shielded_scope shield(*current_fiber);
    back_off between;
    for (int round = 0;; ++round) {
        for (int i = 0; i != tries; ++i) {
            if (real::pthread_spin_trylock(lock) == 0) return 0;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        if (round < rounds)
            give_way();
        else
            between.pause(deadline::never());
    }
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int pthread_join(pthread_t thread, void** value) {
    return on_fiber(family::lock) ? join_on_fiber(thread, value, {})
                                  : real::pthread_join(thread, value);
}

int pthread_timedjoin_np(pthread_t thread, void** value, const timespec* end) {
    return on_fiber(family::lock) ? join_on_fiber(thread, value, {CLOCK_REALTIME, end})
                                  : real::pthread_timedjoin_np(thread, value, end);
}

int pthread_clockjoin_np(pthread_t thread, void** value, clockid_t clock, const timespec* end) {
    const bool is_known = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
    return on_fiber(family::lock) && is_known
               ? join_on_fiber(thread, value, {clock, end})
               : real::pthread_clockjoin_np(thread, value, clock, end);
}

// libc's own would pass by the patch.
int thrd_join(thrd_t thread, int* result) {
    void* value = nullptr;
    if (pthread_join(thread, &value) != 0) return thrd_error;
    if (result != nullptr) *result = static_cast<int>(reinterpret_cast<std::intptr_t>(value));
    return thrd_success;
}

int pthread_spin_lock(pthread_spinlock_t* lock) noexcept {
    return on_fiber(family::lock) ? spin_on_fiber(lock) : real::pthread_spin_lock(lock);
}
}
