// pthread_cond_wait and its kin. A fiber waits in a queue of ours, a thread in libc's; who signals
// tells both.

#include <cerrno>

#include "mutex.hpp"
#include "parking.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind a_condition{"a pthread condition", outside::another_thread};

constexpr unsigned shared = 1;
constexpr unsigned monotonic = 2;

unsigned flags_of(const pthread_cond_t* c) noexcept {
    return __atomic_load_n(&c->__data.__wrefs, __ATOMIC_RELAXED);
}

// 0 when it was signalled. From another process that is not seen: such a wait ends now and then,
// as one of libc may, and the caller looks at what it waits for.
int wait_for_signal(parked& me, pthread_cond_t* c, const time_limit& limit) noexcept {
    const bool is_shared = (flags_of(c) & shared) != 0;
    constexpr std::int64_t millisecond = 1'000'000;
    for (;;) {
        const auto look = is_shared ? limit.next(millisecond) : limit.next();
        const wake reason = me.park(a_condition, c, look.at, /*shielded=*/true);
        if (me.was_granted()) return 0;
        if (reason == wake::timed_out && look.is_last) return ETIMEDOUT;
        if (reason == wake::timed_out && is_shared) return 0;
        // A deadlock: the caller looks around, and hears of it where it waits natively.
        if (reason == wake::interrupted) return 0;
    }
}

int wait_on_fiber(pthread_cond_t* c, pthread_mutex_t* m, const time_limit& limit) noexcept {
    if (!limit.is_valid()) return EINVAL;
    int result = 0;
    {
        // Queued before the mutex is free: no signal is missed.
        parked me(c);
        if (const int error = unlock_on_fiber(m)) return error;
        result = wait_for_signal(me, c, limit);
        if (result == ETIMEDOUT && me.was_granted()) result = 0;
    }
    const int relocked = lock_on_fiber(m);
    return relocked != 0 ? relocked : result;
}

// libc unlocks the mutex where it tells nobody. A fiber that waits for it looks again and again
// until it is free, if it knows.
class plain_wait {
  public:
    explicit plain_wait(const pthread_mutex_t* m) noexcept : mark_(m) { wake_first(m); }

  private:
    mark mark_;
};

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) {
    if (on_fiber(family::lock)) return wait_on_fiber(c, m, {});
    if (!is_on(family::lock)) return real::pthread_cond_wait(c, m);
    const plain_wait told(m);
    return real::pthread_cond_wait(c, m);
}

int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, const timespec* end) {
    if (on_fiber(family::lock)) {
        const bool by_steady = (flags_of(c) & monotonic) != 0;
        return wait_on_fiber(c, m, {by_steady ? CLOCK_MONOTONIC : CLOCK_REALTIME, end});
    }
    if (!is_on(family::lock)) return real::pthread_cond_timedwait(c, m, end);
    const plain_wait told(m);
    return real::pthread_cond_timedwait(c, m, end);
}

int pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock,
                           const timespec* end) {
    if (on_fiber(family::lock)) return wait_on_fiber(c, m, {clock, end});
    if (!is_on(family::lock)) return real::pthread_cond_clockwait(c, m, clock, end);
    const plain_wait told(m);
    return real::pthread_cond_clockwait(c, m, clock, end);
}

// The plain call first: a fiber that is told may end the condition's life. Who has to be told was
// queued before it unlocked the mutex, under which the caller has changed what is waited for: no
// fence is needed to see it.

int pthread_cond_signal(pthread_cond_t* c) noexcept {
    const int result = real::pthread_cond_signal(c);
    if (anyone_near(c)) grant_slowly(c, told::one);
    return result;
}

int pthread_cond_broadcast(pthread_cond_t* c) noexcept {
    const int result = real::pthread_cond_broadcast(c);
    if (anyone_near(c)) grant_slowly(c, told::all);
    return result;
}
}
