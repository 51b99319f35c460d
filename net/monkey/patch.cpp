// Switching the patch on, and asking about it.

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "calls.hpp"
#include "handlers.hpp"
#include "parking.hpp"
#include "ramie/monkey.hpp"
#include "stream.hpp"

namespace ramie::monkey {

namespace detail {

namespace {

const void* object_of(void* address) noexcept {
    Dl_info info;
    return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

// Of a condition variable there are two kinds, and a lookup without a version may find the calls
// for the one of before 2003. A sanitizer's calls, which lie in front of libc, have no version.
void* find_newest(const char* name) noexcept {
    void* const found = dlsym(RTLD_NEXT, name);
    if (std::strncmp(name, "pthread_cond_", 13) != 0) return found;
    void* const current = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    return current == nullptr || object_of(current) != object_of(found) ? found : current;
}

}  // namespace

void* find_original(const char* name) noexcept {
    void* found = find_newest(name);
    if (found == nullptr) {
        // A statically linked program has no next libc to forward to.
        std::fprintf(stderr,
                     "ramie: there is no %s() behind the patched one; link libc dynamically\n",
                     name);
        std::abort();
    }
    return found;
}

namespace {

// What was known of a descriptor is not sure after a fork, of a process without a scheduler too.
void note_child() noexcept {
    patched_process = getpid();
    bump_fork_epoch();
}

void count_forks() noexcept {
    static const int registered = [] {
        patched_process = getpid();
        return pthread_atfork(nullptr, &bump_fork_epoch, &note_child);
    }();
    static_cast<void>(registered);
}

void patch(family f) noexcept {
    count_forks();
    patched_families.fetch_or(static_cast<std::uint16_t>(f));
}

struct covered_call {
    std::string_view name;
    family part_of;
};

constexpr std::array covered{
    // Patched.
    covered_call{"socket", family::socket}, covered_call{"socketpair", family::socket},
    covered_call{"accept", family::socket}, covered_call{"accept4", family::socket},
    covered_call{"connect", family::socket}, covered_call{"recv", family::socket},
    covered_call{"recvfrom", family::socket}, covered_call{"recvmsg", family::socket},
    covered_call{"send", family::socket}, covered_call{"sendto", family::socket},
    covered_call{"sendmsg", family::socket}, covered_call{"read", family::socket},
    covered_call{"readv", family::socket}, covered_call{"write", family::socket},
    covered_call{"writev", family::socket}, covered_call{"close", family::socket},
    covered_call{"fclose", family::socket}, covered_call{"shutdown", family::socket},
    covered_call{"dup", family::socket}, covered_call{"dup2", family::socket},
    covered_call{"dup3", family::socket}, covered_call{"pipe", family::socket},
    covered_call{"pipe2", family::socket}, covered_call{"fcntl", family::socket},
    covered_call{"ioctl", family::socket}, covered_call{"setsockopt", family::socket},
    covered_call{"__read_chk", family::socket}, covered_call{"__recv_chk", family::socket},
    covered_call{"__recvfrom_chk", family::socket}, covered_call{"fcntl64", family::socket},
    covered_call{"eventfd_read", family::socket}, covered_call{"eventfd_write", family::socket},
    covered_call{"poll", family::poll}, covered_call{"__poll_chk", family::poll},
    covered_call{"sleep", family::sleep}, covered_call{"usleep", family::sleep},
    covered_call{"nanosleep", family::sleep}, covered_call{"clock_nanosleep", family::sleep},
    // They never wait, and the kernel's answer is right as it is.
    covered_call{"bind", family::socket}, covered_call{"listen", family::socket},
    covered_call{"getsockopt", family::socket},
    // Locks.
    covered_call{"pthread_mutex_lock", family::lock},
    covered_call{"__pthread_mutex_lock", family::lock},
    covered_call{"pthread_mutex_trylock", family::lock},
    covered_call{"__pthread_mutex_trylock", family::lock},
    covered_call{"pthread_mutex_timedlock", family::lock},
    covered_call{"pthread_mutex_clocklock", family::lock},
    covered_call{"pthread_mutex_unlock", family::lock},
    covered_call{"__pthread_mutex_unlock", family::lock},
    covered_call{"pthread_cond_wait", family::lock},
    covered_call{"pthread_cond_timedwait", family::lock},
    covered_call{"pthread_cond_clockwait", family::lock},
    covered_call{"pthread_cond_signal", family::lock},
    covered_call{"pthread_cond_broadcast", family::lock}, covered_call{"sem_wait", family::lock},
    covered_call{"sem_timedwait", family::lock}, covered_call{"sem_clockwait", family::lock},
    covered_call{"sem_post", family::lock}, covered_call{"pthread_rwlock_rdlock", family::lock},
    covered_call{"__pthread_rwlock_rdlock", family::lock},
    covered_call{"pthread_rwlock_timedrdlock", family::lock},
    covered_call{"pthread_rwlock_clockrdlock", family::lock},
    covered_call{"pthread_rwlock_wrlock", family::lock},
    covered_call{"__pthread_rwlock_wrlock", family::lock},
    covered_call{"pthread_rwlock_timedwrlock", family::lock},
    covered_call{"pthread_rwlock_clockwrlock", family::lock},
    covered_call{"pthread_rwlock_unlock", family::lock},
    covered_call{"__pthread_rwlock_unlock", family::lock},
    covered_call{"pthread_once", family::lock}, covered_call{"__pthread_once", family::lock},
    covered_call{"mtx_lock", family::lock}, covered_call{"mtx_trylock", family::lock},
    covered_call{"mtx_timedlock", family::lock}, covered_call{"mtx_unlock", family::lock},
    covered_call{"cnd_wait", family::lock}, covered_call{"cnd_timedwait", family::lock},
    covered_call{"cnd_signal", family::lock}, covered_call{"cnd_broadcast", family::lock},
    covered_call{"call_once", family::lock},
    // They never wait.
    covered_call{"sem_trywait", family::lock},
    covered_call{"pthread_rwlock_tryrdlock", family::lock},
    covered_call{"pthread_rwlock_trywrlock", family::lock},
    // Files.
    covered_call{"pread", family::file}, covered_call{"pread64", family::file},
    covered_call{"pwrite", family::file}, covered_call{"pwrite64", family::file},
    covered_call{"preadv", family::file}, covered_call{"preadv64", family::file},
    covered_call{"pwritev", family::file}, covered_call{"pwritev64", family::file},
    covered_call{"fsync", family::file}, covered_call{"fdatasync", family::file},
    covered_call{"ftruncate", family::file}, covered_call{"ftruncate64", family::file},
    covered_call{"stat", family::file}, covered_call{"stat64", family::file},
    covered_call{"lstat", family::file}, covered_call{"lstat64", family::file},
    covered_call{"fstatat", family::file}, covered_call{"fstatat64", family::file},
    covered_call{"statx", family::file}, covered_call{"access", family::file},
    covered_call{"faccessat", family::file}, covered_call{"unlink", family::file},
    covered_call{"unlinkat", family::file}, covered_call{"rename", family::file},
    covered_call{"renameat", family::file}, covered_call{"truncate", family::file},
    covered_call{"truncate64", family::file}, covered_call{"mkdir", family::file},
    covered_call{"rmdir", family::file}, covered_call{"opendir", family::file},
    covered_call{"readdir", family::file}, covered_call{"readdir64", family::file},
    // Streams.
    covered_call{"fgetc", family::stdio}, covered_call{"getc", family::stdio},
    covered_call{"_IO_getc", family::stdio}, covered_call{"getchar", family::stdio},
    covered_call{"fgetc_unlocked", family::stdio}, covered_call{"getc_unlocked", family::stdio},
    covered_call{"getchar_unlocked", family::stdio}, covered_call{"__uflow", family::stdio},
    covered_call{"ungetc", family::stdio}, covered_call{"fgets", family::stdio},
    covered_call{"fgets_unlocked", family::stdio}, covered_call{"__fgets_chk", family::stdio},
    covered_call{"getdelim", family::stdio}, covered_call{"__getdelim", family::stdio},
    covered_call{"getline", family::stdio}, covered_call{"fread", family::stdio},
    covered_call{"fread_unlocked", family::stdio}, covered_call{"__fread_chk", family::stdio},
    covered_call{"vfscanf", family::stdio}, covered_call{"vscanf", family::stdio},
    covered_call{"fscanf", family::stdio}, covered_call{"scanf", family::stdio},
    covered_call{"__isoc99_vfscanf", family::stdio}, covered_call{"__isoc99_vscanf", family::stdio},
    covered_call{"__isoc99_fscanf", family::stdio}, covered_call{"__isoc99_scanf", family::stdio},
    covered_call{"flockfile", family::stdio}, covered_call{"ftrylockfile", family::stdio},
    covered_call{"funlockfile", family::stdio},
    // Of processes.
    covered_call{"wait", family::process}, covered_call{"waitpid", family::process},
    covered_call{"wait3", family::process}, covered_call{"wait4", family::process},
    covered_call{"waitid", family::process}, covered_call{"__wait", family::process},
    covered_call{"__waitpid", family::process}, covered_call{"system", family::process},
    covered_call{"popen", family::process}, covered_call{"pclose", family::process},
    covered_call{"fork", family::process}, covered_call{"vfork", family::process},
    covered_call{"_exit", family::process}, covered_call{"posix_spawn", family::process},
    covered_call{"posix_spawnp", family::process},
    // Of names.
    covered_call{"getaddrinfo", family::dns}, covered_call{"freeaddrinfo", family::dns},
    covered_call{"getnameinfo", family::dns}, covered_call{"gethostbyname", family::dns},
    covered_call{"gethostbyname2", family::dns}, covered_call{"gethostbyaddr", family::dns},
    covered_call{"gethostbyname_r", family::dns}, covered_call{"gethostbyname2_r", family::dns},
    covered_call{"gethostbyaddr_r", family::dns}, covered_call{"res_query", family::dns},
    covered_call{"res_search", family::dns}, covered_call{"res_querydomain", family::dns},
    covered_call{"res_send", family::dns}, covered_call{"res_nquery", family::dns},
    covered_call{"res_nsearch", family::dns}, covered_call{"res_nquerydomain", family::dns},
    covered_call{"res_nsend", family::dns},
    // More ways to move bytes, to make descriptors, to lock files.
    covered_call{"recvmmsg", family::socket}, covered_call{"sendmmsg", family::socket},
    covered_call{"sendfile", family::socket}, covered_call{"sendfile64", family::socket},
    covered_call{"splice", family::socket}, covered_call{"tee", family::socket},
    covered_call{"vmsplice", family::socket}, covered_call{"preadv2", family::socket},
    covered_call{"pwritev2", family::socket}, covered_call{"preadv64v2", family::socket},
    covered_call{"pwritev64v2", family::socket}, covered_call{"open", family::socket},
    covered_call{"open64", family::socket}, covered_call{"openat", family::socket},
    covered_call{"openat64", family::socket}, covered_call{"creat", family::socket},
    covered_call{"creat64", family::socket}, covered_call{"__open_2", family::socket},
    covered_call{"__open64_2", family::socket}, covered_call{"__openat_2", family::socket},
    covered_call{"__openat64_2", family::socket}, covered_call{"eventfd", family::socket},
    covered_call{"timerfd_create", family::socket}, covered_call{"signalfd", family::socket},
    covered_call{"close_range", family::socket}, covered_call{"closefrom", family::socket},
    covered_call{"flock", family::socket}, covered_call{"lockf", family::socket},
    covered_call{"lockf64", family::socket},
    // Waiting for many descriptors, and for signals.
    covered_call{"__poll", family::poll}, covered_call{"ppoll", family::poll},
    covered_call{"__ppoll_chk", family::poll}, covered_call{"select", family::poll},
    covered_call{"__select", family::poll}, covered_call{"pselect", family::poll},
    covered_call{"epoll_create", family::poll}, covered_call{"epoll_create1", family::poll},
    covered_call{"epoll_ctl", family::poll}, covered_call{"epoll_wait", family::poll},
    covered_call{"epoll_pwait", family::poll}, covered_call{"epoll_pwait2", family::poll},
    covered_call{"pause", family::signal}, covered_call{"sigsuspend", family::signal},
    covered_call{"__sigsuspend", family::signal}, covered_call{"sigwait", family::signal},
    covered_call{"sigwaitinfo", family::signal}, covered_call{"sigtimedwait", family::signal},
    covered_call{"sigaction", family::signal}, covered_call{"__sigaction", family::signal},
    covered_call{"signal", family::signal}, covered_call{"bsd_signal", family::signal},
    covered_call{"ssignal", family::signal}, covered_call{"sysv_signal", family::signal},
    covered_call{"__sysv_signal", family::signal}, covered_call{"siginterrupt", family::signal},
    covered_call{"longjmp", family::signal}, covered_call{"_longjmp", family::signal},
    covered_call{"siglongjmp", family::signal}, covered_call{"__longjmp_chk", family::signal}};

}  // namespace

}  // namespace detail

void patch_socket() noexcept { detail::patch(detail::family::socket); }
void patch_sleep() noexcept { detail::patch(detail::family::sleep); }
void patch_poll() noexcept { detail::patch(detail::family::poll); }
void patch_process() noexcept { detail::patch(detail::family::process); }
void patch_dns() noexcept { detail::patch(detail::family::dns); }

void patch_lock() noexcept {
    detail::prepare_parking();
    detail::patch(detail::family::lock);
}

void patch_file() noexcept { detail::patch(detail::family::file); }

void patch_stdio() noexcept {
    detail::prepare_parking();
    detail::prepare_streams();
    detail::patch(detail::family::stdio);
}

void patch_signal() noexcept {
    detail::patch(detail::family::signal);
    detail::adopt_handlers();
}

void patch_all(options chosen) noexcept {
    if (chosen.socket) patch_socket();
    if (chosen.sleep) patch_sleep();
    if (chosen.poll) patch_poll();
    if (chosen.lock) patch_lock();
    if (chosen.file) patch_file();
    if (chosen.stdio) patch_stdio();
    if (chosen.process) patch_process();
    if (chosen.dns) patch_dns();
    if (chosen.signal) patch_signal();
}

bool is_patched(std::string_view call) noexcept {
    return std::ranges::any_of(detail::covered, [call](const detail::covered_call& each) {
        return each.name == call && detail::is_on(each.part_of);
    });
}

}  // namespace ramie::monkey
