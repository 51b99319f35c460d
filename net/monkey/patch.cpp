// Switching the patch on, and asking about it.

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "calls.hpp"
#include "handlers.hpp"
#include "ramie/monkey.hpp"

namespace ramie::monkey {

namespace detail {

void* find_original(const char* name) noexcept {
    void* found = dlsym(RTLD_NEXT, name);
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
    covered_call{"poll", family::poll}, covered_call{"__poll_chk", family::poll},
    covered_call{"sleep", family::sleep}, covered_call{"usleep", family::sleep},
    covered_call{"nanosleep", family::sleep}, covered_call{"clock_nanosleep", family::sleep},
    // They never wait, and the kernel's answer is right as it is.
    covered_call{"bind", family::socket}, covered_call{"listen", family::socket},
    covered_call{"getsockopt", family::socket},
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
void patch_signal() noexcept {
    detail::patch(detail::family::signal);
    detail::adopt_handlers();
}

void patch_all(options chosen) noexcept {
    if (chosen.socket) patch_socket();
    if (chosen.sleep) patch_sleep();
    if (chosen.poll) patch_poll();
    if (chosen.signal) patch_signal();
}

bool is_patched(std::string_view call) noexcept {
    return std::ranges::any_of(detail::covered, [call](const detail::covered_call& each) {
        return each.name == call && detail::is_on(each.part_of);
    });
}

}  // namespace ramie::monkey
