#include "ramie/detail/thread_lock.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace ramie::detail {

void thread_lock::lock_slowly() noexcept {
    const int saved = errno;
    while (word_.exchange(awaited, std::memory_order_acquire) != free)
        syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, awaited, nullptr, nullptr, 0);
    errno = saved;
}

void thread_lock::wake_one() noexcept {
    const int saved = errno;
    syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    errno = saved;
}

}  // namespace ramie::detail
