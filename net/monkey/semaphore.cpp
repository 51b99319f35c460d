// sem_wait and its kin, on libc's own counter.

#include <semaphore.h>

#include <cerrno>
#include <cstring>

#include "parking.hpp"
#include "time_limit.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind a_semaphore{"a semaphore", outside::another_thread, nullptr,
                                handler_ends::unless_restarting};

// Where libc remembers that other processes may post, too.
bool is_shared(const sem_t* s) noexcept {
    int value = 0;
    std::memcpy(&value, s->__size + sizeof(std::uint64_t), sizeof value);
    return value != 0;
}

int fail_with(int error) noexcept {
    errno = error;
    return -1;
}

bool try_wait(sem_t* s) noexcept {
    const int saved = errno;
    const bool taken = real::sem_trywait(s) == 0;
    errno = saved;
    return taken;
}

int wait_parked(sem_t* s, const time_limit& limit) noexcept {
    constexpr std::int64_t millisecond = 1'000'000;
    parked me(s);
    for (;;) {
        if (me.is_first() && try_wait(s)) {
            me.pass_on();  // there may be more
            return 0;
        }
        const auto look = is_shared(s) ? limit.next(millisecond) : limit.next();
        const wake reason = me.park(a_semaphore, s, look.at, /*shielded=*/false);
        if (reason == wake::timed_out && look.is_last)
            return me.is_first() && try_wait(s) ? 0 : fail_with(ETIMEDOUT);
        if (reason == wake::interrupted && !was_taken_back(reason))
            return fail_with(wait_error(reason));
    }
}

int wait_on_fiber(sem_t* s, const time_limit& limit) noexcept {
    if (!limit.is_valid()) return fail_with(EINVAL);
    if ((!anyone_near(s) || count_parked(s) == 0) && try_wait(s)) return 0;
    return wait_parked(s, limit);
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int sem_wait(sem_t* s) { return on_fiber(family::lock) ? wait_on_fiber(s, {}) : real::sem_wait(s); }

int sem_timedwait(sem_t* s, const timespec* end) {
    return on_fiber(family::lock) ? wait_on_fiber(s, {CLOCK_REALTIME, end})
                                  : real::sem_timedwait(s, end);
}

int sem_clockwait(sem_t* s, clockid_t clock, const timespec* end) {
    return on_fiber(family::lock) ? wait_on_fiber(s, {clock, end})
                                  : real::sem_clockwait(s, clock, end);
}

// Also in a signal handler.
int sem_post(sem_t* s) noexcept {
    const int result = real::sem_post(s);
    if (anyone_near(s)) wake_slowly(s, told::one, /*may_interrupt=*/true);
    return result;
}
}
