#include "ramie/detail/thread_lock.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace ramie::detail {

namespace {

// Waits and wake-ups with bits of their own are those of threads: the patched syscall() makes
// fibers wait, but leaves these alone.
constexpr std::uint32_t own_bit = 1;

}  // namespace

void thread_lock::lock_slowly() noexcept {
    const int saved = errno;
    while (word_.exchange(awaited, std::memory_order_acquire) != free)
        syscall(SYS_futex, &word_, FUTEX_WAIT_BITSET_PRIVATE, awaited, nullptr, nullptr, own_bit);
    errno = saved;
}

void thread_lock::wake_one() noexcept {
    const int saved = errno;
    syscall(SYS_futex, &word_, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, own_bit);
    errno = saved;
}

}  // namespace ramie::detail
