// wait, waitpid, wait3, wait4, waitid: the real call with WNOHANG, and a park in between.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "child_watch.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

// Calls `attempt`, which never blocks, until it returns something else than 0, nothing yet.
template <class Attempt>
int wait_on_fiber(const child_set& of, Attempt attempt) noexcept {
    const int first = attempt();
    if (first != 0) return first;
    child_change change(of);
    for (;;) {
        // Again: it may have changed before it was watched.
        if (const int n = attempt()) return n;
        if (change.wait()) continue;
        // What has happened comes first: a handler of SIGCHLD says that it has.
        const int error = errno;
        if (const int n = attempt()) return n;
        errno = error;
        return -1;
    }
}

// As waitid() names those that wait4() means.
child_set set_of(pid_t pid, int options) noexcept {
    const int watched = WEXITED | options;  // WUNTRACED is WSTOPPED
    if (pid > 0) return {P_PID, static_cast<id_t>(pid), watched};
    if (pid == -1) return {P_ALL, 0, watched};
    return {P_PGID, static_cast<id_t>(pid == 0 ? getpgrp() : -pid), watched};
}

// Who does not want to wait does not, and a child of this very thread only is not seen by another.
bool is_to_park(int options) noexcept {
    return on_fiber(family::process) && (options & (WNOHANG | __WNOTHREAD)) == 0;
}

// The plain call may be left by the end of the thread, if it is cancelled.
pid_t wait_for(pid_t pid, int* status, int options, rusage* usage) {
    if (!is_to_park(options)) {
        if ((options & WNOHANG) != 0 && on_fiber(family::process)) take_turn();
        return real::wait4(pid, status, options, usage);
    }
    return wait_on_fiber(set_of(pid, options),
                         [=] { return real::wait4(pid, status, options | WNOHANG, usage); });
}

// The kernel says so instead of waiting.
bool is_nonblocking(idtype_t type, id_t id) noexcept {
    return type == P_PIDFD &&
           (real::fcntl(static_cast<int>(id), F_GETFL, nullptr) & O_NONBLOCK) != 0;
}

int wait_for(idtype_t type, id_t id, siginfo_t* info, int options) {
    if (!is_to_park(options) || is_nonblocking(type, id))
        return real::waitid(type, id, info, options);
    child_set of{type, id, options & ~WNOWAIT};
    if (type == P_ALL) of.id = 0;
    if (type == P_PGID && id == 0) of.id = static_cast<id_t>(getpgrp());
    const int n = wait_on_fiber(of, [=] {
        siginfo_t found;
        found.si_pid = 0;
        if (real::waitid(type, id, &found, options | WNOHANG | WNOWAIT) == 0 && found.si_pid == 0)
            return 0;
        // The kernel finds out whether there is a place for it. Somebody else may have been faster.
        siginfo_t* const to = info == nullptr ? &found : info;
        const int result = real::waitid(type, id, to, options | WNOHANG);
        return result != 0 ? result : to->si_pid;
    });
    return n < 0 ? n : 0;
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

pid_t waitpid(pid_t pid, int* status, int options) {
    return wait_for(pid, status, options, nullptr);
}

pid_t wait(int* status) { return wait_for(-1, status, 0, nullptr); }

// Their declarations say that nothing leaves them, which is not so for C.
pid_t ramie_wait3(int* status, int options, rusage* usage) asm("wait3");
pid_t ramie_wait4(pid_t pid, int* status, int options, rusage* usage) asm("wait4");

pid_t ramie_wait3(int* status, int options, rusage* usage) {
    return wait_for(-1, status, options, usage);
}

pid_t ramie_wait4(pid_t pid, int* status, int options, rusage* usage) {
    return wait_for(pid, status, options, usage);
}

int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
    return wait_for(type, id, info, options);
}

// The names by which old programs call them.
pid_t __waitpid(pid_t pid, int* status, int options) {
    return wait_for(pid, status, options, nullptr);
}

pid_t __wait(int* status) { return wait_for(-1, status, 0, nullptr); }
}
