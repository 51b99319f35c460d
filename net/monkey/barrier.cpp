// pthread_barrier_wait, on glibc's own counters: threads and fibers may meet at one barrier.

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdint>

#include "parking.hpp"
#include "ramie/detail/transfer.hpp"

namespace ramie::monkey::detail {

namespace {

// What glibc has kept in it since 2.25.
struct counters {
    std::uint32_t entered;  // since the last reset; the round of a fiber is told by its number
    std::uint32_t round;    // who entered up to this one may leave
    std::uint32_t count;
    int is_shared;
    std::uint32_t left;
};
static_assert(sizeof(counters) <= sizeof(pthread_barrier_t));

// It is reset before the numbers overflow, by the last that leaves.
std::uint32_t most_before_reset(std::uint32_t count) noexcept {
    constexpr std::uint32_t most = UINT32_MAX / 2;
    return most - most % count;
}

std::uint32_t load(const std::uint32_t& word) noexcept {
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

void wake_threads(std::uint32_t& word, bool is_shared) noexcept {
    syscall(SYS_futex, &word, is_shared ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
            nullptr, 0);
}

std::uint32_t enter(counters& c) noexcept {
    for (;;) {
        const std::uint32_t number = __atomic_add_fetch(&c.entered, 1, __ATOMIC_ACQ_REL);
        const std::uint32_t most = most_before_reset(c.count);
        if (number <= most) return number;
        while (load(c.entered) > most) give_way();
    }
}

constexpr wait_kind a_barrier{"a pthread barrier", outside::another_thread};

void wait_for_round(counters& c, std::uint32_t number) noexcept {
    constexpr std::int64_t millisecond = 1'000'000;
    parked me(&c);
    while (load(c.round) < number) {
        // Another process tells nobody here.
        const deadline until =
            c.is_shared != 0 ? deadline::at(now_ns() + millisecond) : deadline::never();
        me.park(a_barrier, &c, until, /*shielded=*/true);
    }
}

// Opens the round that ends with the caller, or with one that came before it and has not yet.
void open_round(counters& c, std::uint32_t number) noexcept {
    std::uint32_t round = load(c.round);
    while (round + c.count <= number) {
        const std::uint32_t next = number - number % c.count;
        if (!__atomic_compare_exchange_n(&c.round, &round, next, true, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        wake_threads(c.round, c.is_shared != 0);
        wake_all(&c);
        return;
    }
}

// From here on the barrier may be destroyed by who waits for that.
void leave(counters& c) noexcept {
    const bool is_shared = c.is_shared != 0;
    if (__atomic_add_fetch(&c.left, 1, __ATOMIC_ACQ_REL) != most_before_reset(c.count)) return;
    __atomic_store_n(&c.round, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&c.left, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&c.entered, 0, __ATOMIC_RELEASE);
    wake_threads(c.entered, is_shared);
}

int wait_on_fiber(counters& c) noexcept {
    const std::uint32_t count = c.count;
    const std::uint32_t number = enter(c);
    open_round(c, number);
    if (load(c.round) < number) wait_for_round(c, number);
    leave(c);
    return number % count == 0 ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

counters& counters_of(pthread_barrier_t* b) noexcept { return *reinterpret_cast<counters*>(b); }

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int pthread_barrier_wait(pthread_barrier_t* b) noexcept {
    if (on_fiber(family::lock)) return wait_on_fiber(counters_of(b));
    const int result = real::pthread_barrier_wait(b);
    wake_all(b);
    return result;
}

// libc waits for those that have not left yet; fibers of this thread would never.
int pthread_barrier_destroy(pthread_barrier_t* b) noexcept {
    if (on_fiber(family::lock)) {
        const counters& c = counters_of(b);
        while (load(c.left) < load(c.entered)) give_way();
    }
    return real::pthread_barrier_destroy(b);
}
}
