// pthread_mutex_lock and its kin. glibc's own word says who has it: a fiber takes it with trylock,
// gives it back with unlock, and threads take it and block on it as ever.

#include "mutex.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include "parking.hpp"
#include "ramie/detail/fiber_core.hpp"

namespace ramie::monkey::detail {

namespace {

// glibc's names for the bits of __kind are not in its public headers.
constexpr int kind_mask = 3;
constexpr int robust = 16;
constexpr int inherits_priority = 32;
constexpr int protects_priority = 64;
constexpr int shared = 128;

int kind_of(const pthread_mutex_t* m) noexcept {
    return __atomic_load_n(&m->__data.__kind, __ATOMIC_RELAXED);
}
pid_t owner_of(const pthread_mutex_t* m) noexcept {
    return __atomic_load_n(&m->__data.__owner, __ATOMIC_RELAXED);
}
bool is_mine_or_other_fibers(const pthread_mutex_t* m) noexcept {
    return owner_of(m) == thread_id();
}

// These tell owners apart, but know threads only.
bool knows_owner(int kind) noexcept {
    const int basic = kind & kind_mask;
    return basic == PTHREAD_MUTEX_RECURSIVE || basic == PTHREAD_MUTEX_ERRORCHECK;
}

// Another process, or the kernel, may release it unheard.
bool is_released_elsewhere(int kind) noexcept {
    return (kind & (robust | inherits_priority | protects_priority | shared)) != 0;
}

// Which fiber of its owner's thread has it. In the links that glibc keeps for robust mutexes and
// leaves alone in others; 0, as in a mutex that no fiber has touched, is the main fiber.
class holder {
  public:
    static std::uint64_t get(const pthread_mutex_t* m) noexcept {
        return reinterpret_cast<std::uintptr_t>(m->__data.__list.__next);
    }
    static void set(pthread_mutex_t* m, std::uint64_t id) noexcept {
        if ((kind_of(m) & robust) != 0) return;
        m->__data.__list.__next =
            reinterpret_cast<decltype(m->__data.__list.__next)>(std::uintptr_t{id});
    }
    static std::uint64_t me() noexcept { return current_fiber->id; }
};

// Held by this thread, but by another of its fibers.
bool is_other_fibers(const pthread_mutex_t* m, int kind) noexcept {
    return knows_owner(kind) && (kind & robust) == 0 && is_mine_or_other_fibers(m) &&
           holder::get(m) != holder::me();
}

bool is_own(const pthread_mutex_t* m, int kind) noexcept {
    return knows_owner(kind) && is_mine_or_other_fibers(m) && !is_other_fibers(m, kind);
}

int try_lock(pthread_mutex_t* m) noexcept {
    if (is_other_fibers(m, kind_of(m))) return EBUSY;
    const int result = real::pthread_mutex_trylock(m);
    if (result == 0) holder::set(m, holder::me());
    return result;
}

void describe(const void* object, std::string& out) {
    const auto* const m = static_cast<const pthread_mutex_t*>(object);
    const pid_t owner = owner_of(m);
    if (owner == 0) return;
    if (owner != thread_id())
        out += " held by thread " + std::to_string(owner);
    else if ((kind_of(m) & robust) == 0)
        out += holder::get(m) == 0 ? " held by the main fiber"
                                   : " held by fiber " + std::to_string(holder::get(m));
}

constexpr wait_kind held_here{"a pthread mutex", outside::nobody, &describe};
constexpr wait_kind held_elsewhere{"a pthread mutex", outside::another_thread, &describe};

constexpr std::int64_t microsecond = 1'000;

// How long at most until the next look, for what may be released without a word.
std::int64_t patience_for(const pthread_mutex_t* m) noexcept {
    if (is_released_elsewhere(kind_of(m))) return 1'000 * microsecond;
    const pid_t owner = owner_of(m);
    // No owner, but locked: it is on its way to one, or free in a moment.
    if (owner == 0 || is_marked(m, owner)) return 50 * microsecond;
    return 10 * time_limit::second;
}

// A thread that has it gives it back sooner, mostly, than a fiber parks.
int spin(pthread_mutex_t* m) noexcept {
    int result = EBUSY;
    for (int i = 0; i != 50 && result == EBUSY && !is_mine_or_other_fibers(m); ++i) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        result = try_lock(m);
    }
    return result;
}

int lock_parked(pthread_mutex_t* m, const time_limit& limit) noexcept {
    parked me(m);
    for (;;) {
        if (me.is_first()) {
            const int result = try_lock(m);
            if (result != EBUSY) return result;
        }
        const auto look = limit.next(patience_for(m));
        const bool hopeless = is_mine_or_other_fibers(m) && me.is_among_own();
        // A kill waits: a caller does not expect to come back without the lock.
        const wake reason =
            me.park(hopeless ? held_here : held_elsewhere, m, look.at, /*shielded=*/true);
        if (reason == wake::timed_out && look.is_last) {
            const int result = me.is_first() ? try_lock(m) : EBUSY;
            return result == EBUSY ? ETIMEDOUT : result;
        }
        // To the main fiber, behind its shield, comes only one thing.
        if (reason == wake::interrupted) return EDEADLK;
    }
}

}  // namespace

int lock_on_fiber(pthread_mutex_t* m, const time_limit& limit) noexcept {
    // Once more by the same one: libc counts, or refuses.
    if (is_own(m, kind_of(m))) return real::pthread_mutex_lock(m);
    // Behind those who wait.
    if (!anyone_near(m) || count_parked(m) == 0) {
        int result = try_lock(m);
        if (result == EBUSY) result = spin(m);
        if (result != EBUSY) return result;
    }
    if (!limit.is_valid()) return EINVAL;
    return lock_parked(m, limit);
}

namespace {

// Of the time itself libc takes notice only when it has to wait.
int lock_by_clock(pthread_mutex_t* m, const time_limit& limit) noexcept {
    return limit.has_known_clock() ? lock_on_fiber(m, limit) : EINVAL;
}

}  // namespace

int unlock_on_fiber(pthread_mutex_t* m) noexcept {
    const int kind = kind_of(m);
    if (is_other_fibers(m, kind)) return EPERM;
    const bool mine = is_mine_or_other_fibers(m);
    const bool stays = (kind & kind_mask) == PTHREAD_MUTEX_RECURSIVE && m->__data.__count > 1;
    if (mine && !stays) holder::set(m, 0);
    const int result = real::pthread_mutex_unlock(m);
    if (!stays) wake_first(m);
    return result;
}

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* m) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber(m) : real::pthread_mutex_lock(m);
}

int pthread_mutex_trylock(pthread_mutex_t* m) noexcept {
    return on_fiber(family::lock) ? try_lock(m) : real::pthread_mutex_trylock(m);
}

int pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* end) noexcept {
    return on_fiber(family::lock) ? lock_on_fiber(m, {CLOCK_REALTIME, end})
                                  : real::pthread_mutex_timedlock(m, end);
}

int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* end) noexcept {
    return on_fiber(family::lock) ? lock_by_clock(m, {clock, end})
                                  : real::pthread_mutex_clocklock(m, clock, end);
}

int pthread_mutex_unlock(pthread_mutex_t* m) noexcept {
    if (on_fiber(family::lock)) return unlock_on_fiber(m);
    const int result = real::pthread_mutex_unlock(m);
    wake_first(m);
    return result;
}

// Names that libraries of long ago were linked with.
int __pthread_mutex_lock(pthread_mutex_t* m) noexcept { return pthread_mutex_lock(m); }
int __pthread_mutex_trylock(pthread_mutex_t* m) noexcept { return pthread_mutex_trylock(m); }
int __pthread_mutex_unlock(pthread_mutex_t* m) noexcept { return pthread_mutex_unlock(m); }
}
