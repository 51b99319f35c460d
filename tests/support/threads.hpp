#pragma once
// Other threads, seen from outside: instead of sleeping for as long as they surely need.
//
//     const pid_t here = gettid();
//     std::thread other([here] { until_it_waits(here); ::write(fd, "x", 1); });

#include <sys/syscall.h>
#include <sys/types.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <string>
#include <thread>

namespace ramie::test {

// True when the thread sleeps in one of these system calls.
inline bool is_in_call(pid_t thread, std::initializer_list<long> calls) {
    // "running", or the number of the call that the thread sleeps in.
    std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/syscall");
    long number = -1;
    return file >> number && std::ranges::find(calls, number) != calls.end();
}

// Returns when the scheduler of that thread has nothing to do and waits in the kernel.
inline void until_it_waits(pid_t thread) {
    while (!is_in_call(thread, {SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2}))
        std::this_thread::yield();
}

}  // namespace ramie::test
