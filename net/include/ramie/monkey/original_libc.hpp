// The rest of the plain libc calls: of locks, threads, streams, files, and others that few ask for.
//
//     #include <ramie/monkey/original_libc.hpp>
//     ramie::monkey::original::pthread_mutex_lock(&mutex);   // blocks the whole thread
//     ramie::monkey::original::printf("%d\n", 5);            // on a fiber, too
//     ramie::monkey::original::fsync(fd);
//
// Each takes what libc's call of the same name does (a null pointer as nullptr), and returns the
// same, errno included. Never suspends. Callable from any thread.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <threads.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "ramie/monkey/original.hpp"

struct __res_state;

namespace ramie::monkey::detail {
void* find_original(const char* name) noexcept;
}

namespace ramie::monkey::original {

#define RAMIE_ORIGINAL_AS(name, libc_name)                                            \
    template <class... Args>                                                          \
    auto name(Args... args)->decltype(::name(args...)) {                              \
        static void* const plain = ::ramie::monkey::detail::find_original(libc_name); \
        return reinterpret_cast<decltype(&::name)>(plain)(args...);                   \
    }
#define RAMIE_ORIGINAL(name) RAMIE_ORIGINAL_AS(name, #name)

// Locks and threads.
RAMIE_ORIGINAL(pthread_mutex_lock)
RAMIE_ORIGINAL(pthread_mutex_trylock)
RAMIE_ORIGINAL(pthread_mutex_timedlock)
RAMIE_ORIGINAL(pthread_mutex_clocklock)
RAMIE_ORIGINAL(pthread_mutex_unlock)
RAMIE_ORIGINAL(pthread_cond_wait)
RAMIE_ORIGINAL(pthread_cond_timedwait)
RAMIE_ORIGINAL(pthread_cond_clockwait)
RAMIE_ORIGINAL(pthread_cond_signal)
RAMIE_ORIGINAL(pthread_cond_broadcast)
RAMIE_ORIGINAL(pthread_rwlock_rdlock)
RAMIE_ORIGINAL(pthread_rwlock_tryrdlock)
RAMIE_ORIGINAL(pthread_rwlock_timedrdlock)
RAMIE_ORIGINAL(pthread_rwlock_clockrdlock)
RAMIE_ORIGINAL(pthread_rwlock_wrlock)
RAMIE_ORIGINAL(pthread_rwlock_trywrlock)
RAMIE_ORIGINAL(pthread_rwlock_timedwrlock)
RAMIE_ORIGINAL(pthread_rwlock_clockwrlock)
RAMIE_ORIGINAL(pthread_rwlock_unlock)
RAMIE_ORIGINAL(pthread_barrier_wait)
RAMIE_ORIGINAL(pthread_barrier_destroy)
RAMIE_ORIGINAL(pthread_spin_lock)
RAMIE_ORIGINAL(pthread_once)
RAMIE_ORIGINAL(pthread_join)
RAMIE_ORIGINAL(pthread_timedjoin_np)
RAMIE_ORIGINAL(pthread_clockjoin_np)
RAMIE_ORIGINAL(sem_wait)
RAMIE_ORIGINAL(sem_trywait)
RAMIE_ORIGINAL(sem_timedwait)
RAMIE_ORIGINAL(sem_clockwait)
RAMIE_ORIGINAL(sem_post)
RAMIE_ORIGINAL(mtx_lock)
RAMIE_ORIGINAL(mtx_trylock)
RAMIE_ORIGINAL(mtx_timedlock)
RAMIE_ORIGINAL(mtx_unlock)
RAMIE_ORIGINAL(cnd_wait)
RAMIE_ORIGINAL(cnd_timedwait)
RAMIE_ORIGINAL(cnd_signal)
RAMIE_ORIGINAL(cnd_broadcast)
RAMIE_ORIGINAL(call_once)
RAMIE_ORIGINAL(thrd_join)
RAMIE_ORIGINAL(thrd_sleep)
RAMIE_ORIGINAL(syscall)

// Streams.
RAMIE_ORIGINAL(fopen)
RAMIE_ORIGINAL(freopen)
RAMIE_ORIGINAL(fclose)
RAMIE_ORIGINAL(fgetc)
RAMIE_ORIGINAL(fgetc_unlocked)
RAMIE_ORIGINAL(getc)
RAMIE_ORIGINAL(getc_unlocked)
RAMIE_ORIGINAL(getchar)
RAMIE_ORIGINAL(getchar_unlocked)
RAMIE_ORIGINAL(ungetc)
RAMIE_ORIGINAL(fgets)
RAMIE_ORIGINAL(fgets_unlocked)
RAMIE_ORIGINAL(getdelim)
RAMIE_ORIGINAL(getline)
RAMIE_ORIGINAL(fread)
RAMIE_ORIGINAL(fread_unlocked)
RAMIE_ORIGINAL_AS(scanf, "__isoc99_scanf")
RAMIE_ORIGINAL_AS(fscanf, "__isoc99_fscanf")
RAMIE_ORIGINAL_AS(vscanf, "__isoc99_vscanf")
RAMIE_ORIGINAL_AS(vfscanf, "__isoc99_vfscanf")
RAMIE_ORIGINAL(fputc)
RAMIE_ORIGINAL(fputc_unlocked)
RAMIE_ORIGINAL(putc)
RAMIE_ORIGINAL(putc_unlocked)
RAMIE_ORIGINAL(putchar)
RAMIE_ORIGINAL(putchar_unlocked)
RAMIE_ORIGINAL(putw)
RAMIE_ORIGINAL(getw)
RAMIE_ORIGINAL(fputs)
RAMIE_ORIGINAL(fputs_unlocked)
RAMIE_ORIGINAL(puts)
RAMIE_ORIGINAL(fwrite)
RAMIE_ORIGINAL(fwrite_unlocked)
RAMIE_ORIGINAL(printf)
RAMIE_ORIGINAL(fprintf)
RAMIE_ORIGINAL(dprintf)
RAMIE_ORIGINAL(vprintf)
RAMIE_ORIGINAL(vfprintf)
RAMIE_ORIGINAL(vdprintf)
RAMIE_ORIGINAL(perror)
RAMIE_ORIGINAL(fflush)
RAMIE_ORIGINAL(fflush_unlocked)
RAMIE_ORIGINAL(fseek)
RAMIE_ORIGINAL(fseeko)
RAMIE_ORIGINAL(fsetpos)
RAMIE_ORIGINAL(rewind)
RAMIE_ORIGINAL(setvbuf)
RAMIE_ORIGINAL(flockfile)
RAMIE_ORIGINAL(ftrylockfile)
RAMIE_ORIGINAL(funlockfile)

// Files.
RAMIE_ORIGINAL(creat)
RAMIE_ORIGINAL(pread)
RAMIE_ORIGINAL(pwrite)
RAMIE_ORIGINAL(preadv)
RAMIE_ORIGINAL(pwritev)
RAMIE_ORIGINAL(preadv64v2)
RAMIE_ORIGINAL(pwritev64v2)
RAMIE_ORIGINAL(fsync)
RAMIE_ORIGINAL(fdatasync)
RAMIE_ORIGINAL(ftruncate)
RAMIE_ORIGINAL(truncate)
RAMIE_ORIGINAL(stat)
RAMIE_ORIGINAL(lstat)
RAMIE_ORIGINAL(fstatat)
RAMIE_ORIGINAL(statx)
RAMIE_ORIGINAL(access)
RAMIE_ORIGINAL(faccessat)
RAMIE_ORIGINAL(unlink)
RAMIE_ORIGINAL(unlinkat)
RAMIE_ORIGINAL(rename)
RAMIE_ORIGINAL(renameat)
RAMIE_ORIGINAL(mkdir)
RAMIE_ORIGINAL(rmdir)
RAMIE_ORIGINAL(opendir)
RAMIE_ORIGINAL(readdir)

// Descriptors and signals.
RAMIE_ORIGINAL(eventfd)
RAMIE_ORIGINAL(eventfd_read)
RAMIE_ORIGINAL(eventfd_write)
RAMIE_ORIGINAL(timerfd_create)
RAMIE_ORIGINAL(signalfd)
RAMIE_ORIGINAL(epoll_create)
RAMIE_ORIGINAL(epoll_create1)
RAMIE_ORIGINAL(close_range)
RAMIE_ORIGINAL(closefrom)
RAMIE_ORIGINAL(signal)
RAMIE_ORIGINAL(fork)

// Names.
RAMIE_ORIGINAL(gethostbyname_r)
RAMIE_ORIGINAL(gethostbyname2_r)
RAMIE_ORIGINAL(gethostbyaddr_r)
#undef RAMIE_ORIGINAL
#undef RAMIE_ORIGINAL_AS

int siginterrupt(int signal, int interrupts);
int res_query(const char* name, int type_class, int type, unsigned char* answer, int room);
int res_search(const char* name, int type_class, int type, unsigned char* answer, int room);
int res_querydomain(const char* name, const char* domain, int type_class, int type,
                    unsigned char* answer, int room);
int res_send(const unsigned char* question, int size, unsigned char* answer, int room);
int res_nquery(__res_state* state, const char* name, int type_class, int type,
               unsigned char* answer, int room);
int res_nsearch(__res_state* state, const char* name, int type_class, int type,
                unsigned char* answer, int room);
int res_nquerydomain(__res_state* state, const char* name, const char* domain, int type_class,
                     int type, unsigned char* answer, int room);
int res_nsend(__res_state* state, const unsigned char* question, int size, unsigned char* answer,
              int room);

}  // namespace ramie::monkey::original
