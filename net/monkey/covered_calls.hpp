// The families of calls: how users name them, what patches them, and which calls belong to them,
// those included that never wait and are right as they are. So a name that is not here is one that
// blocks the thread.
//
// The calls of a family are one text, and not an array of names: each pointer in a table is filled
// in by the loader whenever a program starts.
#pragma once

#include <string_view>

#include "calls.hpp"
#include "ramie/monkey.hpp"

namespace ramie::monkey::detail {

inline constexpr std::string_view socket_calls =
    "socket socketpair accept accept4 connect recv recvfrom recvmsg send sendto sendmsg read "
    "readv write writev close fclose shutdown dup dup2 dup3 pipe pipe2 fcntl ioctl setsockopt "
    "__read_chk __recv_chk __recvfrom_chk fcntl64 eventfd_read eventfd_write bind listen "
    "getsockopt recvmmsg sendmmsg sendfile sendfile64 splice tee vmsplice preadv2 pwritev2 "
    "preadv64v2 pwritev64v2 open open64 openat openat64 creat creat64 __open_2 __open64_2 "
    "__openat_2 __openat64_2 eventfd timerfd_create signalfd close_range closefrom flock "
    "lockf lockf64 __read __write __send __connect __close __fcntl __dup2 __pipe __open __open64 "
    "_IO_fclose";

inline constexpr std::string_view sleep_calls =
    "sleep usleep nanosleep __nanosleep clock_nanosleep thrd_sleep";

inline constexpr std::string_view poll_calls =
    "poll __poll_chk __poll ppoll __ppoll_chk select __select pselect epoll_create "
    "epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2";

inline constexpr std::string_view dns_calls =
    "getaddrinfo freeaddrinfo getnameinfo gethostbyname gethostbyname2 gethostbyaddr "
    "gethostbyname_r gethostbyname2_r gethostbyaddr_r res_query res_search res_querydomain "
    "res_send res_nquery res_nsearch res_nquerydomain res_nsend";

inline constexpr std::string_view lock_calls =
    "pthread_mutex_lock __pthread_mutex_lock pthread_mutex_trylock __pthread_mutex_trylock "
    "pthread_mutex_timedlock pthread_mutex_clocklock pthread_mutex_unlock "
    "__pthread_mutex_unlock pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait "
    "pthread_cond_signal pthread_cond_broadcast sem_wait sem_timedwait sem_clockwait sem_post "
    "pthread_rwlock_rdlock __pthread_rwlock_rdlock pthread_rwlock_timedrdlock "
    "pthread_rwlock_clockrdlock pthread_rwlock_wrlock __pthread_rwlock_wrlock "
    "pthread_rwlock_timedwrlock pthread_rwlock_clockwrlock pthread_rwlock_unlock "
    "__pthread_rwlock_unlock pthread_once __pthread_once mtx_lock mtx_trylock mtx_timedlock "
    "mtx_unlock cnd_wait cnd_timedwait cnd_signal cnd_broadcast call_once sem_trywait "
    "pthread_rwlock_tryrdlock pthread_rwlock_trywrlock pthread_barrier_wait "
    "pthread_barrier_destroy pthread_spin_lock pthread_join pthread_timedjoin_np "
    "pthread_clockjoin_np __cxa_guard_acquire thrd_join syscall";

inline constexpr std::string_view process_calls =
    "wait waitpid wait3 wait4 waitid __wait __waitpid system popen pclose fork __fork _exit "
    "_IO_popen";

inline constexpr std::string_view signal_calls =
    "pause sigsuspend __sigsuspend sigwait sigwaitinfo sigtimedwait sigaction __sigaction "
    "signal bsd_signal ssignal sysv_signal __sysv_signal sigset siginterrupt longjmp _longjmp "
    "siglongjmp __longjmp_chk";

inline constexpr std::string_view stdio_calls =
    "fgetc getc _IO_getc getchar fgetc_unlocked getc_unlocked getchar_unlocked __uflow ungetc "
    "fgets fgets_unlocked __fgets_chk getw getdelim __getdelim getline fread fread_unlocked "
    "__fread_chk vfscanf vscanf fscanf scanf __isoc99_vfscanf __isoc99_vscanf __isoc99_fscanf "
    "__isoc99_scanf flockfile ftrylockfile funlockfile fputc putc _IO_putc putchar "
    "fputc_unlocked putc_unlocked putchar_unlocked __overflow putw fputs fputs_unlocked puts "
    "fwrite fwrite_unlocked fflush fflush_unlocked fseek fseeko fseeko64 fsetpos fsetpos64 "
    "rewind setvbuf printf vprintf fprintf vfprintf dprintf vdprintf __printf_chk "
    "__vprintf_chk __fprintf_chk __vfprintf_chk __dprintf_chk __vdprintf_chk perror fopen "
    "fopen64 freopen freopen64 __fgets_unlocked_chk __fread_unlocked_chk __vfscanf _IO_fflush "
    "_IO_fgets _IO_flockfile _IO_fopen _IO_fprintf _IO_fputs _IO_fread _IO_fsetpos "
    "_IO_fsetpos64 _IO_ftrylockfile _IO_funlockfile _IO_fwrite _IO_printf _IO_puts _IO_setvbuf "
    "_IO_ungetc _IO_vfprintf";

inline constexpr std::string_view file_calls =
    "pread pread64 pwrite pwrite64 preadv preadv64 pwritev pwritev64 fsync fdatasync "
    "ftruncate ftruncate64 stat stat64 lstat lstat64 fstatat fstatat64 statx access faccessat "
    "unlink unlinkat rename renameat truncate truncate64 mkdir rmdir opendir readdir "
    "readdir64 __pread64 __pwrite64 __pread_chk __pread64_chk";

struct covered_family {
    family part_of;
    std::string_view name;  // as in RAMIE_PATCH
    bool options::*chosen;  // as in patch_all()
    void (*patch)() noexcept;
    std::string_view calls;  // separated by spaces
};

inline constexpr covered_family covered_families[] = {
    {family::socket, "socket", &options::socket, &patch_socket, socket_calls},
    {family::sleep, "sleep", &options::sleep, &patch_sleep, sleep_calls},
    {family::poll, "poll", &options::poll, &patch_poll, poll_calls},
    {family::dns, "dns", &options::dns, &patch_dns, dns_calls},
    {family::lock, "lock", &options::lock, &patch_lock, lock_calls},
    {family::process, "process", &options::process, &patch_process, process_calls},
    {family::stdio, "stdio", &options::stdio, &patch_stdio, stdio_calls},
    {family::file, "file", &options::file, &patch_file, file_calls},
    {family::signal, "signal", &options::signal, &patch_signal, signal_calls},
};

}  // namespace ramie::monkey::detail
