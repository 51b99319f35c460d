// pthread_rwlock_rdlock, pthread_rwlock_wrlock and their kin, on libc's own words. Readers and
// writers have a queue each: who gives it up tells the first of both, and a reader that gets in
// tells the next reader.

#include <cerrno>

#include "parking.hpp"
#include "time_limit.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind to_read{"a pthread rwlock, to read", outside::another_thread};
constexpr wait_kind to_write{"a pthread rwlock, to write", outside::another_thread};

struct reading {
    static constexpr const wait_kind& kind = to_read;
    static constexpr bool shares = true;
    static const void* key(const pthread_rwlock_t* l) noexcept { return l; }
    static int attempt(pthread_rwlock_t* l) noexcept { return real::pthread_rwlock_tryrdlock(l); }
};
struct writing {
    static constexpr const wait_kind& kind = to_write;
    static constexpr bool shares = false;
    // Within the object, and in the same part of the table.
    static const void* key(const pthread_rwlock_t* l) noexcept {
        return reinterpret_cast<const char*>(l) + 1;
    }
    static int attempt(pthread_rwlock_t* l) noexcept { return real::pthread_rwlock_trywrlock(l); }
};

bool prefers_writers(const pthread_rwlock_t* l) noexcept {
    return l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

// Whether one who comes now may try at once. A reader passes writers unless the lock was made to
// prefer them: it may be reading already.
template <class Way>
bool may_try(const pthread_rwlock_t* l) noexcept {
    if (!anyone_near(l)) return true;
    if (Way::shares) return !prefers_writers(l) || count_parked(writing::key(l)) == 0;
    return count_parked(writing::key(l)) == 0;
}

template <class Way>
int lock_parked(pthread_rwlock_t* l, const time_limit& limit) noexcept {
    constexpr std::int64_t millisecond = 1'000'000;
    const bool is_shared = l->__data.__shared != 0;
    parked me(Way::key(l));
    for (;;) {
        if (me.is_first()) {
            const int result = Way::attempt(l);
            if (result == 0 && Way::shares) me.pass_on();
            if (result != EBUSY) return result;
        }
        const auto look = is_shared ? limit.next(millisecond) : limit.next();
        const wake reason = me.park(Way::kind, l, look.at, /*shielded=*/true);
        if (reason == wake::timed_out && look.is_last) {
            const int result = me.is_first() ? Way::attempt(l) : EBUSY;
            return result == EBUSY ? ETIMEDOUT : result;
        }
        if (reason == wake::interrupted) return EDEADLK;
    }
}

template <class Way>
int lock_on_fiber(pthread_rwlock_t* l, const time_limit& limit = {}) noexcept {
    if (!limit.is_valid()) return EINVAL;
    if (may_try<Way>(l)) {
        const int result = Way::attempt(l);
        if (result != EBUSY) return result;
    }
    return lock_parked<Way>(l, limit);
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int pthread_rwlock_rdlock(pthread_rwlock_t* l) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber<reading>(l) : real::pthread_rwlock_rdlock(l);
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t* l, const timespec* end) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber<reading>(l, {CLOCK_REALTIME, end})
                                  : real::pthread_rwlock_timedrdlock(l, end);
}

int pthread_rwlock_clockrdlock(pthread_rwlock_t* l, clockid_t clock, const timespec* end) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber<reading>(l, {clock, end})
                                  : real::pthread_rwlock_clockrdlock(l, clock, end);
}

int pthread_rwlock_wrlock(pthread_rwlock_t* l) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber<writing>(l) : real::pthread_rwlock_wrlock(l);
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t* l, const timespec* end) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber<writing>(l, {CLOCK_REALTIME, end})
                                  : real::pthread_rwlock_timedwrlock(l, end);
}

int pthread_rwlock_clockwrlock(pthread_rwlock_t* l, clockid_t clock, const timespec* end) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber<writing>(l, {clock, end})
                                  : real::pthread_rwlock_clockwrlock(l, clock, end);
}

int pthread_rwlock_unlock(pthread_rwlock_t* l) noexcept {
    const int result = real::pthread_rwlock_unlock(l);
    if (anyone_near(l)) {
        wake_slowly(writing::key(l), told::one, false);
        wake_slowly(reading::key(l), told::one, false);
    }
    return result;
}

int __pthread_rwlock_rdlock(pthread_rwlock_t* l) noexcept { return pthread_rwlock_rdlock(l); }
int __pthread_rwlock_wrlock(pthread_rwlock_t* l) noexcept { return pthread_rwlock_wrlock(l); }
int __pthread_rwlock_unlock(pthread_rwlock_t* l) noexcept { return pthread_rwlock_unlock(l); }
}
