// Makes the plain libc calls of this process cooperative: on a fiber they park instead of blocking
// the thread, and return exactly what the kernel would have returned.
//
//     #include <ramie/monkey.hpp>
//     ramie::monkey::patch_all();
//     ramie::spawn([] { sleep(3); });     // libc's sleep: other fibers run meanwhile
//     ramie::spawn([] { sleep(3); });     // both end after three seconds
//
// Linking the target ramie::monkey places the calls; until they are patched, and on threads without
// a scheduler, they forward to libc. Patching is for the whole process and cannot be undone. It
// takes effect with the first scheduler: until then there is no fiber.
// docs/patching.md lists every call.
#pragma once

#include <cstdint>
#include <string_view>

#include "ramie/monkey/original.hpp"

namespace ramie::monkey {

struct options {
    bool socket = true;  // sockets and pipes: socket accept connect recv send read write close ...
    bool sleep = true;   // sleep usleep nanosleep clock_nanosleep
    bool poll = true;    // poll select epoll_wait and their like
    bool dns = true;     // getaddrinfo getnameinfo gethostby... res_...: see ramie/resolver.hpp
    bool lock = true;    // pthread mutexes, conditions, semaphores ... of code that knows no fibers
    bool process = true;  // wait waitpid wait3 wait4 waitid system popen pclose
    bool signal = true;   // pause sigwait sigsuspend, and where handlers run
    bool stdio = true;    // a FILE: fgets scanf printf fwrite fflush, std::cin, std::cout ...
    bool file = false;    // files, on threads of ramie::offload: read write fsync stat unlink ...
};

// Patches the chosen families; a later call can only add. Idempotent. A library that has opened a
// socket before is named on stderr: a thread that waits in it is past the patch. Never suspends.
// Callable from any thread.
void patch_all(options = {}) noexcept;

// One family each, as by patch_all(). Never suspend. Callable from any thread.
void patch_socket() noexcept;
void patch_sleep() noexcept;
void patch_poll() noexcept;
void patch_dns() noexcept;
void patch_lock() noexcept;
void patch_process() noexcept;
void patch_signal() noexcept;
// What these do on descriptors needs patch_socket, too, which knows what a number means. Never
// suspend. Callable from any thread.
void patch_stdio() noexcept;
void patch_file() noexcept;

// True when a call of this name is cooperative on a fiber now: it is patched, or it never blocks
// and what it changes is known ("bind"). Never suspends. Callable from any thread.
[[nodiscard]] bool is_patched(std::string_view call) noexcept;

}  // namespace ramie::monkey
