// The plain calls, the only door to dlsym, and the question that every patched call asks first.
#pragma once

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "ramie/detail/descriptors.hpp"

struct epoll_event;
struct pollfd;
struct stat;
struct statx;
struct addrinfo;
struct hostent;
struct rusage;
struct __res_state;

namespace ramie::monkey::detail {

using namespace ramie::detail;

enum class family : std::uint16_t {
    socket = 1,
    sleep = 2,
    poll = 4,
    dns = 8,
    lock = 16,
    process = 32,
    signal = 64,
    stdio = 128,
    file = 256,
};

// What the owner of the program wants patched, and what is. The first scheduler makes the wish come
// true: before it there is no fiber, and a program that never has one need not pay for more than
// the jump to the plain call.
inline constinit std::atomic<std::uint16_t> chosen_families{0};
inline constinit std::atomic<std::uint16_t> patched_families{0};

// The process whose table of descriptors this is, once there is one; a forked child has its own.
inline constinit std::atomic<pid_t> patched_process{0};

inline bool is_in(const std::atomic<std::uint16_t>& families, family f) noexcept {
    return (families.load(std::memory_order_relaxed) & static_cast<std::uint16_t>(f)) != 0;
}
inline bool is_chosen(family f) noexcept { return is_in(chosen_families, f); }
inline bool is_on(family f) noexcept { return is_in(patched_families, f); }

// True where the table of descriptors is to hear of a number. A vforked child has its parent's
// memory and numbers of its own: what it makes, closes or takes over is nothing to the table.
bool is_patched_process() noexcept;
inline bool owns_table() noexcept { return is_on(family::socket) && is_patched_process(); }

// True when the caller is a fiber whose call may park. Off fibers, where the caller may be a signal
// handler, nothing allocates or locks before the call is forwarded.
inline bool on_fiber(family f) noexcept { return current_fiber != nullptr && is_on(f); }

void* find_original(const char* name) noexcept;

// A libc function behind our own of the same name. Usable before any constructor has run.
template <class Signature, auto* Find = &find_original>
class original_call;
template <class R, class... Args, auto* Find>
class original_call<R(Args...), Find> {
  public:
    using pointer = R (*)(Args...);
    // `first_use` is what it calls until it has been looked up: a call then need not ask whether
    // it was.
    constexpr original_call(const char* name, pointer first_use) noexcept
        : name_(name), first_use_(first_use), address_(first_use) {}

    R operator()(Args... args) const { return address()(args...); }

    // What a call goes to: at first, what looks it up.
    pointer address() const noexcept { return address_.load(std::memory_order_relaxed); }

    pointer get() const noexcept {
        if (address() == first_use_) look_up();
        return address();
    }

    // What is called from now on.
    void replace(pointer p) const noexcept { address_.store(p, std::memory_order_relaxed); }

  private:
    void look_up() const noexcept {
        pointer nobody_was_faster = first_use_;
        address_.compare_exchange_strong(nobody_was_faster, reinterpret_cast<pointer>(Find(name_)));
    }

    const char* name_;
    pointer first_use_;
    mutable std::atomic<pointer> address_;
};

template <auto& Call>
struct looked_up;
template <class R, class... Args, auto* Find, original_call<R(Args...), Find>& Call>
struct looked_up<Call> {
    static R first_use(Args... args) { return Call.get()(args...); }
};

// One line for each: the table of what is interposed.
namespace real {
// clang-format off
#define RAMIE_ORIGINAL(name, ...) \
    inline constinit original_call<__VA_ARGS__> name{#name, &looked_up<name>::first_use}
// clang-format on
RAMIE_ORIGINAL(socket, int(int, int, int));
RAMIE_ORIGINAL(socketpair, int(int, int, int, int*));
RAMIE_ORIGINAL(accept, int(int, sockaddr*, socklen_t*));
RAMIE_ORIGINAL(accept4, int(int, sockaddr*, socklen_t*, int));
RAMIE_ORIGINAL(connect, int(int, const sockaddr*, socklen_t));
RAMIE_ORIGINAL(recv, ssize_t(int, void*, size_t, int));
RAMIE_ORIGINAL(recvfrom, ssize_t(int, void*, size_t, int, sockaddr*, socklen_t*));
RAMIE_ORIGINAL(recvmsg, ssize_t(int, msghdr*, int));
RAMIE_ORIGINAL(send, ssize_t(int, const void*, size_t, int));
RAMIE_ORIGINAL(sendto, ssize_t(int, const void*, size_t, int, const sockaddr*, socklen_t));
RAMIE_ORIGINAL(sendmsg, ssize_t(int, const msghdr*, int));
RAMIE_ORIGINAL(read, ssize_t(int, void*, size_t));
RAMIE_ORIGINAL(readv, ssize_t(int, const iovec*, int));
RAMIE_ORIGINAL(write, ssize_t(int, const void*, size_t));
RAMIE_ORIGINAL(writev, ssize_t(int, const iovec*, int));
RAMIE_ORIGINAL(close, int(int));
RAMIE_ORIGINAL(fclose, int(FILE*));
RAMIE_ORIGINAL(shutdown, int(int, int));
RAMIE_ORIGINAL(dup, int(int));
RAMIE_ORIGINAL(dup2, int(int, int));
RAMIE_ORIGINAL(dup3, int(int, int, int));
RAMIE_ORIGINAL(pipe, int(int*));
RAMIE_ORIGINAL(pipe2, int(int*, int));
RAMIE_ORIGINAL(fcntl, int(int, int, void*));
RAMIE_ORIGINAL(ioctl, int(int, unsigned long, void*));
RAMIE_ORIGINAL(setsockopt, int(int, int, int, const void*, socklen_t));
RAMIE_ORIGINAL(getsockopt, int(int, int, int, void*, socklen_t*));
RAMIE_ORIGINAL(bind, int(int, const sockaddr*, socklen_t));
RAMIE_ORIGINAL(listen, int(int, int));
RAMIE_ORIGINAL(poll, int(pollfd*, unsigned long, int));
RAMIE_ORIGINAL(sleep, unsigned(unsigned));
RAMIE_ORIGINAL(usleep, int(useconds_t));
RAMIE_ORIGINAL(nanosleep, int(const timespec*, timespec*));
RAMIE_ORIGINAL(clock_nanosleep, int(clockid_t, int, const timespec*, timespec*));
RAMIE_ORIGINAL(__read_chk, ssize_t(int, void*, size_t, size_t));
RAMIE_ORIGINAL(__recv_chk, ssize_t(int, void*, size_t, size_t, int));
RAMIE_ORIGINAL(__recvfrom_chk, ssize_t(int, void*, size_t, size_t, int, sockaddr*, socklen_t*));
RAMIE_ORIGINAL(__poll_chk, int(pollfd*, unsigned long, int, size_t));

// Locks.
RAMIE_ORIGINAL(pthread_mutex_lock, int(pthread_mutex_t*));
RAMIE_ORIGINAL(pthread_mutex_trylock, int(pthread_mutex_t*));
RAMIE_ORIGINAL(pthread_mutex_timedlock, int(pthread_mutex_t*, const timespec*));
RAMIE_ORIGINAL(pthread_mutex_clocklock, int(pthread_mutex_t*, clockid_t, const timespec*));
RAMIE_ORIGINAL(pthread_mutex_unlock, int(pthread_mutex_t*));
RAMIE_ORIGINAL(pthread_cond_wait, int(pthread_cond_t*, pthread_mutex_t*));
RAMIE_ORIGINAL(pthread_cond_timedwait, int(pthread_cond_t*, pthread_mutex_t*, const timespec*));
RAMIE_ORIGINAL(pthread_cond_clockwait,
               int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*));
RAMIE_ORIGINAL(pthread_cond_signal, int(pthread_cond_t*));
RAMIE_ORIGINAL(pthread_cond_broadcast, int(pthread_cond_t*));
RAMIE_ORIGINAL(sem_wait, int(sem_t*));
RAMIE_ORIGINAL(sem_trywait, int(sem_t*));
RAMIE_ORIGINAL(sem_timedwait, int(sem_t*, const timespec*));
RAMIE_ORIGINAL(sem_clockwait, int(sem_t*, clockid_t, const timespec*));
RAMIE_ORIGINAL(sem_post, int(sem_t*));
RAMIE_ORIGINAL(pthread_rwlock_rdlock, int(pthread_rwlock_t*));
RAMIE_ORIGINAL(pthread_rwlock_tryrdlock, int(pthread_rwlock_t*));
RAMIE_ORIGINAL(pthread_rwlock_timedrdlock, int(pthread_rwlock_t*, const timespec*));
RAMIE_ORIGINAL(pthread_rwlock_clockrdlock, int(pthread_rwlock_t*, clockid_t, const timespec*));
RAMIE_ORIGINAL(pthread_rwlock_wrlock, int(pthread_rwlock_t*));
RAMIE_ORIGINAL(pthread_rwlock_trywrlock, int(pthread_rwlock_t*));
RAMIE_ORIGINAL(pthread_rwlock_timedwrlock, int(pthread_rwlock_t*, const timespec*));
RAMIE_ORIGINAL(pthread_rwlock_clockwrlock, int(pthread_rwlock_t*, clockid_t, const timespec*));
RAMIE_ORIGINAL(pthread_rwlock_unlock, int(pthread_rwlock_t*));
RAMIE_ORIGINAL(pthread_once, int(pthread_once_t*, void (*)()));
RAMIE_ORIGINAL(__cxa_guard_acquire, int(std::uint64_t*));
RAMIE_ORIGINAL(pthread_barrier_wait, int(pthread_barrier_t*));
RAMIE_ORIGINAL(pthread_barrier_destroy, int(pthread_barrier_t*));
RAMIE_ORIGINAL(pthread_spin_lock, int(pthread_spinlock_t*));
RAMIE_ORIGINAL(pthread_spin_trylock, int(pthread_spinlock_t*));
RAMIE_ORIGINAL(pthread_join, int(pthread_t, void**));
RAMIE_ORIGINAL(pthread_timedjoin_np, int(pthread_t, void**, const timespec*));
RAMIE_ORIGINAL(pthread_clockjoin_np, int(pthread_t, void**, clockid_t, const timespec*));

// Files.
RAMIE_ORIGINAL(pread, ssize_t(int, void*, size_t, off_t));
RAMIE_ORIGINAL(__pread_chk, ssize_t(int, void*, size_t, off_t, size_t));
RAMIE_ORIGINAL(pwrite, ssize_t(int, const void*, size_t, off_t));
RAMIE_ORIGINAL(preadv, ssize_t(int, const iovec*, int, off_t));
RAMIE_ORIGINAL(pwritev, ssize_t(int, const iovec*, int, off_t));
RAMIE_ORIGINAL(fsync, int(int));
RAMIE_ORIGINAL(fdatasync, int(int));
RAMIE_ORIGINAL(ftruncate, int(int, off_t));
RAMIE_ORIGINAL(stat, int(const char*, struct stat*));
RAMIE_ORIGINAL(lstat, int(const char*, struct stat*));
RAMIE_ORIGINAL(fstatat, int(int, const char*, struct stat*, int));
RAMIE_ORIGINAL(statx, int(int, const char*, int, unsigned, struct statx*));
RAMIE_ORIGINAL(access, int(const char*, int));
RAMIE_ORIGINAL(faccessat, int(int, const char*, int, int));
RAMIE_ORIGINAL(unlink, int(const char*));
RAMIE_ORIGINAL(unlinkat, int(int, const char*, int));
RAMIE_ORIGINAL(rename, int(const char*, const char*));
RAMIE_ORIGINAL(renameat, int(int, const char*, int, const char*));
RAMIE_ORIGINAL(truncate, int(const char*, off_t));
RAMIE_ORIGINAL(mkdir, int(const char*, mode_t));
RAMIE_ORIGINAL(rmdir, int(const char*));
RAMIE_ORIGINAL(opendir, DIR*(const char*));
RAMIE_ORIGINAL(readdir, dirent*(DIR*));

// Streams.
RAMIE_ORIGINAL(fgetc, int(FILE*));
RAMIE_ORIGINAL(getc_unlocked, int(FILE*));
RAMIE_ORIGINAL(__uflow, int(FILE*));
RAMIE_ORIGINAL(ungetc, int(int, FILE*));
RAMIE_ORIGINAL(fgets, char*(char*, int, FILE*));
RAMIE_ORIGINAL(fgets_unlocked, char*(char*, int, FILE*));
RAMIE_ORIGINAL(__fgets_chk, char*(char*, size_t, int, FILE*));
RAMIE_ORIGINAL(__fgets_unlocked_chk, char*(char*, size_t, int, FILE*));
RAMIE_ORIGINAL(getdelim, ssize_t(char**, size_t*, int, FILE*));
RAMIE_ORIGINAL(fread, size_t(void*, size_t, size_t, FILE*));
RAMIE_ORIGINAL(fread_unlocked, size_t(void*, size_t, size_t, FILE*));
RAMIE_ORIGINAL(__fread_chk, size_t(void*, size_t, size_t, size_t, FILE*));
RAMIE_ORIGINAL(__fread_unlocked_chk, size_t(void*, size_t, size_t, size_t, FILE*));
RAMIE_ORIGINAL(vfscanf, int(FILE*, const char*, va_list));
RAMIE_ORIGINAL(__isoc99_vfscanf, int(FILE*, const char*, va_list));
RAMIE_ORIGINAL(fputc, int(int, FILE*));
RAMIE_ORIGINAL(putc_unlocked, int(int, FILE*));
RAMIE_ORIGINAL(__overflow, int(FILE*, int));
RAMIE_ORIGINAL(fputs, int(const char*, FILE*));
RAMIE_ORIGINAL(fputs_unlocked, int(const char*, FILE*));
RAMIE_ORIGINAL(puts, int(const char*));
RAMIE_ORIGINAL(fwrite, size_t(const void*, size_t, size_t, FILE*));
RAMIE_ORIGINAL(fwrite_unlocked, size_t(const void*, size_t, size_t, FILE*));
RAMIE_ORIGINAL(putw, int(int, FILE*));
RAMIE_ORIGINAL(vfprintf, int(FILE*, const char*, va_list));
RAMIE_ORIGINAL(__vfprintf_chk, int(FILE*, int, const char*, va_list));
RAMIE_ORIGINAL(vdprintf, int(int, const char*, va_list));
RAMIE_ORIGINAL(__vdprintf_chk, int(int, int, const char*, va_list));
RAMIE_ORIGINAL(__vsnprintf_chk, int(char*, size_t, int, size_t, const char*, va_list));
RAMIE_ORIGINAL(perror, void(const char*));
RAMIE_ORIGINAL(fflush, int(FILE*));
RAMIE_ORIGINAL(fflush_unlocked, int(FILE*));
RAMIE_ORIGINAL(fseek, int(FILE*, long, int));
RAMIE_ORIGINAL(fseeko, int(FILE*, off_t, int));
RAMIE_ORIGINAL(fsetpos, int(FILE*, const fpos_t*));
RAMIE_ORIGINAL(rewind, void(FILE*));
RAMIE_ORIGINAL(fopen, FILE*(const char*, const char*));
RAMIE_ORIGINAL(freopen, FILE*(const char*, const char*, FILE*));
RAMIE_ORIGINAL(setvbuf, int(FILE*, char*, int, size_t));
RAMIE_ORIGINAL(flockfile, void(FILE*));
RAMIE_ORIGINAL(ftrylockfile, int(FILE*));
RAMIE_ORIGINAL(funlockfile, void(FILE*));
RAMIE_ORIGINAL(fork, pid_t());
RAMIE_ORIGINAL(wait4, pid_t(pid_t, int*, int, rusage*));
RAMIE_ORIGINAL(waitpid, pid_t(pid_t, int*, int));
RAMIE_ORIGINAL(waitid, int(idtype_t, id_t, siginfo_t*, int));
RAMIE_ORIGINAL(system, int(const char*));
RAMIE_ORIGINAL(popen, FILE*(const char*, const char*));
RAMIE_ORIGINAL(pclose, int(FILE*));

RAMIE_ORIGINAL(getaddrinfo, int(const char*, const char*, const addrinfo*, addrinfo**));
RAMIE_ORIGINAL(getnameinfo,
               int(const sockaddr*, socklen_t, char*, socklen_t, char*, socklen_t, int));
RAMIE_ORIGINAL(gethostbyname, hostent*(const char*));
RAMIE_ORIGINAL(gethostbyname2, hostent*(const char*, int));
RAMIE_ORIGINAL(gethostbyaddr, hostent*(const void*, socklen_t, int));
RAMIE_ORIGINAL(gethostbyname_r, int(const char*, hostent*, char*, size_t, hostent**, int*));
RAMIE_ORIGINAL(gethostbyname2_r, int(const char*, int, hostent*, char*, size_t, hostent**, int*));
RAMIE_ORIGINAL(gethostbyaddr_r,
               int(const void*, socklen_t, int, hostent*, char*, size_t, hostent**, int*));
RAMIE_ORIGINAL(res_query, int(const char*, int, int, unsigned char*, int));
RAMIE_ORIGINAL(res_search, int(const char*, int, int, unsigned char*, int));
RAMIE_ORIGINAL(res_querydomain, int(const char*, const char*, int, int, unsigned char*, int));
RAMIE_ORIGINAL(res_send, int(const unsigned char*, int, unsigned char*, int));
RAMIE_ORIGINAL(res_nquery, int(struct __res_state*, const char*, int, int, unsigned char*, int));
RAMIE_ORIGINAL(res_nsearch, int(struct __res_state*, const char*, int, int, unsigned char*, int));
RAMIE_ORIGINAL(res_nquerydomain,
               int(struct __res_state*, const char*, const char*, int, int, unsigned char*, int));
RAMIE_ORIGINAL(res_nsend, int(struct __res_state*, const unsigned char*, int, unsigned char*, int));
// Waiting for many descriptors, and for signals.
RAMIE_ORIGINAL(ppoll, int(pollfd*, unsigned long, const timespec*, const sigset_t*));
RAMIE_ORIGINAL(__ppoll_chk, int(pollfd*, unsigned long, const timespec*, const sigset_t*, size_t));
RAMIE_ORIGINAL(select, int(int, fd_set*, fd_set*, fd_set*, timeval*));
RAMIE_ORIGINAL(pselect, int(int, fd_set*, fd_set*, fd_set*, const timespec*, const sigset_t*));
RAMIE_ORIGINAL(epoll_create, int(int));
RAMIE_ORIGINAL(epoll_create1, int(int));
RAMIE_ORIGINAL(epoll_wait, int(int, epoll_event*, int, int));
RAMIE_ORIGINAL(epoll_pwait, int(int, epoll_event*, int, int, const sigset_t*));
RAMIE_ORIGINAL(epoll_pwait2, int(int, epoll_event*, int, const timespec*, const sigset_t*));
RAMIE_ORIGINAL(pause, int());
RAMIE_ORIGINAL(sigsuspend, int(const sigset_t*));
RAMIE_ORIGINAL(sigwait, int(const sigset_t*, int*));
RAMIE_ORIGINAL(sigwaitinfo, int(const sigset_t*, siginfo_t*));
RAMIE_ORIGINAL(sigtimedwait, int(const sigset_t*, siginfo_t*, const timespec*));
RAMIE_ORIGINAL(sigaction, int(int, const struct sigaction*, struct sigaction*));
RAMIE_ORIGINAL(signal, sighandler_t(int, sighandler_t));
RAMIE_ORIGINAL(__sysv_signal, sighandler_t(int, sighandler_t));
RAMIE_ORIGINAL(sigset, sighandler_t(int, sighandler_t));
RAMIE_ORIGINAL(siginterrupt, int(int, int));
RAMIE_ORIGINAL(longjmp, void(__jmp_buf_tag*, int));
RAMIE_ORIGINAL(_longjmp, void(__jmp_buf_tag*, int));
RAMIE_ORIGINAL(siglongjmp, void(__jmp_buf_tag*, int));
RAMIE_ORIGINAL(__longjmp_chk, void(__jmp_buf_tag*, int));
// More ways to move bytes.
RAMIE_ORIGINAL(recvmmsg, int(int, mmsghdr*, unsigned, int, timespec*));
RAMIE_ORIGINAL(sendmmsg, int(int, mmsghdr*, unsigned, int));
RAMIE_ORIGINAL(sendfile, ssize_t(int, int, off_t*, size_t));
RAMIE_ORIGINAL(splice, ssize_t(int, off_t*, int, off_t*, size_t, unsigned));
RAMIE_ORIGINAL(tee, ssize_t(int, int, size_t, unsigned));
RAMIE_ORIGINAL(vmsplice, ssize_t(int, const iovec*, size_t, unsigned));
RAMIE_ORIGINAL(preadv2, ssize_t(int, const iovec*, int, off_t, int));
RAMIE_ORIGINAL(pwritev2, ssize_t(int, const iovec*, int, off_t, int));
// More ways to make descriptors, to close them, and to lock files.
RAMIE_ORIGINAL(eventfd, int(unsigned, int));
RAMIE_ORIGINAL(timerfd_create, int(int, int));
RAMIE_ORIGINAL(signalfd, int(int, const sigset_t*, int));
RAMIE_ORIGINAL(open, int(const char*, int, mode_t));
RAMIE_ORIGINAL(openat, int(int, const char*, int, mode_t));
RAMIE_ORIGINAL(__open_2, int(const char*, int));
RAMIE_ORIGINAL(__openat_2, int(int, const char*, int));
RAMIE_ORIGINAL(close_range, int(unsigned, unsigned, int));
RAMIE_ORIGINAL(closefrom, void(int));
RAMIE_ORIGINAL(flock, int(int, int));
RAMIE_ORIGINAL(lockf, int(int, int, off_t));
#undef RAMIE_ORIGINAL
}  // namespace real

}  // namespace ramie::monkey::detail
