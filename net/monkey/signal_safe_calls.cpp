#include "signal_safe_calls.hpp"

#include <unistd.h>

#include "calls.hpp"
#include "made_nonblocking.hpp"

namespace ramie::monkey::detail {

namespace {

template <class... Calls>
void find(const Calls&... calls) noexcept {
    (static_cast<void>(calls.get()), ...);
}

}  // namespace

void look_up_signal_safe_calls() noexcept {
    using namespace real;
    find(longjmp, _longjmp, siglongjmp, __longjmp_chk, sigaction, signal, sigsuspend, pause);
    find(read, readv, write, writev, fcntl, ioctl, open, openat, unlink, close, close_range);
    find(pipe, pipe2, dup, dup2, dup3, eventfd, poll, select, epoll_wait, sleep, nanosleep);
    find(socket, socketpair, accept, accept4, connect, bind, listen, shutdown, setsockopt);
    find(recv, recvfrom, recvmsg, send, sendto, sendmsg, getsockopt, waitpid, wait4, sem_post);
    find(fork);
    // Not safe, strictly, but what the children of shells do before they end.
    find(fflush, fclose, fputs, fputc, puts, vfprintf, __vfprintf_chk, putc_unlocked);
    has_signal_safe_calls.store(true, std::memory_order_relaxed);
}

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

pid_t fork() noexcept {
    find_signal_safe_calls();
    share_modes();
    return real::fork();
}

[[gnu::alias("fork"), gnu::nothrow]] pid_t __fork();
}
