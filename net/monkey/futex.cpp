// syscall(SYS_futex, ...), by which libstdc++ waits: std::atomic::wait, std::latch, std::barrier,
// std::counting_semaphore, std::future, and Rust's standard library. A fiber waits in a queue of
// its own for the same word; who wakes the word wakes threads in the kernel first, then fibers.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "parking.hpp"
#include "probe.hpp"
#include "time_limit.hpp"

namespace ramie::monkey::detail {

namespace {

// No detour by dlsym(): allocators make system calls by this name while they begin.
long ask_kernel(long number, long a, long b, long c, long d, long e, long f) noexcept {
#if defined(__x86_64__)
    long result = number;
    register long fourth asm("r10") = d;
    register long fifth asm("r8") = e;
    register long sixth asm("r9") = f;
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 asm("x8") = number;
    register long result asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register long x3 asm("x3") = d;
    register long x4 asm("x4") = e;
    register long x5 asm("x5") = f;
    asm volatile("svc 0"
                 : "+r"(result)
                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                 : "memory");
#else
#error "how does this machine make a system call?"
#endif
    constexpr long last_error = -4095;
    if (static_cast<unsigned long>(result) < static_cast<unsigned long>(last_error)) return result;
    errno = static_cast<int>(-result);
    return -1;
}

struct futex_call {
    long word, operation, value, timeout, second_word, bits;

    [[nodiscard]] int command() const { return static_cast<int>(operation) & FUTEX_CMD_MASK; }
    [[nodiscard]] bool is_private() const { return (operation & FUTEX_PRIVATE_FLAG) != 0; }
    [[nodiscard]] bool is_for_all() const {
        return static_cast<std::uint32_t>(bits) == FUTEX_BITSET_MATCH_ANY;
    }
    [[nodiscard]] const void* key() const { return reinterpret_cast<const void*>(word); }
    [[nodiscard]] const timespec* time() const {
        return reinterpret_cast<const timespec*>(timeout);
    }
    [[nodiscard]] bool is_as_expected() const {
        return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(word), __ATOMIC_SEQ_CST) ==
               static_cast<std::uint32_t>(value);
    }
    [[nodiscard]] long ask() const {
        return ask_kernel(SYS_futex, word, operation, value, timeout, second_word, bits);
    }
};

int fail_with(int error) noexcept {
    errno = error;
    return -1;
}

constexpr wait_kind a_futex{"a futex", outside::another_thread};

// The time at which a wait that gives up after a while is over.
timespec end_of(const timespec& duration) noexcept {
    timespec end{};
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += duration.tv_nsec;
    end.tv_sec += std::min<std::time_t>(duration.tv_sec, std::time_t{1} << 32) +
                  end.tv_nsec / time_limit::second;
    end.tv_nsec %= time_limit::second;
    return end;
}

// What another process may change is looked at from time to time.
class patience {
  public:
    explicit patience(bool is_private) noexcept : is_private_(is_private) {}
    [[nodiscard]] std::int64_t next() noexcept {
        constexpr std::int64_t longest = time_limit::second / 4;
        if (is_private_) return 10 * time_limit::second;
        return std::exchange(pause_, std::min(2 * pause_, longest));
    }

  private:
    const bool is_private_;
    std::int64_t pause_ = time_limit::second / 1'000;
};

// A kill waits: callers like std::atomic::wait cannot fail.
long wait_in_turn(const futex_call& call, const time_limit& limit) noexcept {
    parked me(call.key());
    if (!call.is_as_expected()) return fail_with(EAGAIN);
    for (patience until_next_look(call.is_private());;) {
        const auto look = limit.next(until_next_look.next());
        const wake reason = me.park(a_futex, call.key(), look.at, /*shielded=*/true);
        if (me.was_granted() || !call.is_as_expected()) return 0;
        if (reason == wake::timed_out && look.is_last) return fail_with(ETIMEDOUT);
    }
}

// False for what the kernel refuses.
bool is_sound(const futex_call& call) noexcept {
    if (call.word % sizeof(std::uint32_t) != 0 || !may_be_read(call.key(), sizeof(std::uint32_t)))
        return false;
    if (call.time() == nullptr) return true;
    return may_be_read(call.time(), sizeof(timespec)) && call.time()->tv_sec >= 0 &&
           call.time()->tv_nsec >= 0 && call.time()->tv_nsec < time_limit::second;
}

long wait_on_fiber(const futex_call& call) noexcept {
    if (!is_sound(call)) return call.ask();
    if (call.command() == FUTEX_WAIT_BITSET) {
        const bool is_wall = (call.operation & FUTEX_CLOCK_REALTIME) != 0;
        return wait_in_turn(call, {is_wall ? CLOCK_REALTIME : CLOCK_MONOTONIC, call.time()});
    }
    if (call.time() == nullptr) return wait_in_turn(call, {});
    const timespec end = end_of(*call.time());
    return wait_in_turn(call, {CLOCK_MONOTONIC, &end});
}

// Of those that the kernel has not woken: `most` are to be, in all.
long wake_fibers(const futex_call& call, long woken, std::uint32_t most) noexcept {
    if (woken < 0 || !anyone_near(call.key()) || static_cast<std::uint32_t>(woken) >= most)
        return woken;
    return woken + grant_some(call.key(), most - static_cast<std::uint32_t>(woken));
}

// With bits of its own a wait is none of ours: so does the runtime, which means threads.
long futex(const futex_call& call) noexcept {
    const int command = call.command();
    const bool has_bits = command == FUTEX_WAIT_BITSET || command == FUTEX_WAKE_BITSET;
    if (has_bits && !call.is_for_all()) return call.ask();
    switch (command) {
        case FUTEX_WAIT:
        case FUTEX_WAIT_BITSET:
            return on_fiber(family::lock) ? wait_on_fiber(call) : call.ask();
        case FUTEX_WAKE:
        case FUTEX_WAKE_BITSET:
            return wake_fibers(call, call.ask(), static_cast<std::uint32_t>(call.value));
        case FUTEX_REQUEUE:
        case FUTEX_CMP_REQUEUE:
        case FUTEX_WAKE_OP:
            // They cannot be moved to another word; who waits must expect to be woken for nothing.
            return wake_fibers(call, call.ask(), UINT32_MAX);
        default:
            return call.ask();
    }
}

}  // namespace

}  // namespace ramie::monkey::detail

// The declaration's variable arguments are passed as these are.
extern "C" long ramie_syscall(long number, long a, long b, long c, long d, long e,
                              long f) asm("syscall");

long ramie_syscall(long number, long a, long b, long c, long d, long e, long f) {
    using namespace ramie::monkey::detail;
    if (number == SYS_futex) [[unlikely]]
        return futex({a, b, c, d, e, f});
    return ask_kernel(number, a, b, c, d, e, f);
}
