// Switching the patch on, and asking about it.

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "calls.hpp"
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
    covered_call{"res_nsend", family::dns}};

}  // namespace

}  // namespace detail

void patch_socket() noexcept { detail::patch(detail::family::socket); }
void patch_sleep() noexcept { detail::patch(detail::family::sleep); }
void patch_poll() noexcept { detail::patch(detail::family::poll); }
void patch_process() noexcept { detail::patch(detail::family::process); }
void patch_dns() noexcept { detail::patch(detail::family::dns); }

void patch_all(options chosen) noexcept {
    if (chosen.socket) patch_socket();
    if (chosen.sleep) patch_sleep();
    if (chosen.poll) patch_poll();
    if (chosen.process) patch_process();
    if (chosen.dns) patch_dns();
}

bool is_patched(std::string_view call) noexcept {
    return std::ranges::any_of(detail::covered, [call](const detail::covered_call& each) {
        return each.name == call && detail::is_on(each.part_of);
    });
}

}  // namespace ramie::monkey
