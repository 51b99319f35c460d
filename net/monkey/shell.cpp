// system, popen, pclose: replaced whole, because libc's own wait without asking waitpid(). From
// patching on they are used off fibers too, so that all of them know of one another, as POSIX asks
// for: who ignores SIGINT meanwhile, and which streams a child is not to inherit.

#include "shell.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "calls.hpp"
#include "ramie/detail/signals_blocked.hpp"

namespace ramie::monkey::detail {

namespace {

// Held over a fork, so that a child finds it free.
std::mutex& shell_mutex() {
    static auto* const mutex = [] {
        auto* const made = new std::mutex;
        pthread_atfork([] { shell_mutex().lock(); }, [] { shell_mutex().unlock(); },
                       [] { shell_mutex().unlock(); });
        return made;
    }();
    return *mutex;
}

class spawn_attributes {
  public:
    spawn_attributes() { posix_spawnattr_init(&attributes_); }
    ~spawn_attributes() { posix_spawnattr_destroy(&attributes_); }
    spawn_attributes(const spawn_attributes&) = delete;
    spawn_attributes& operator=(const spawn_attributes&) = delete;

    void set_signals(const sigset_t& mask, const sigset_t& defaults) {
        posix_spawnattr_setsigmask(&attributes_, &mask);
        posix_spawnattr_setsigdefault(&attributes_, &defaults);
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    }
    [[nodiscard]] const posix_spawnattr_t* get() const { return &attributes_; }

  private:
    posix_spawnattr_t attributes_{};
};

// 0, or an error number.
int spawn_shell(pid_t& child, const char* command, const posix_spawn_file_actions_t* files,
                const posix_spawnattr_t* attributes) {
    const char* const arguments[] = {"sh", "-c", command, nullptr};
    return posix_spawn(&child, "/bin/sh", files, attributes, const_cast<char* const*>(arguments),
                       environ);
}

// --- system ----------------------------------------------------------------------------------

// While one is under way in the process, SIGINT and SIGQUIT are ignored, and SIGCHLD is blocked in
// the thread that called it.
class quiet_signals {
  public:
    quiet_signals() {
        const std::lock_guard guard(shell_mutex());
        if (under_way_++ == 0) {
            struct sigaction ignore {};
            ignore.sa_handler = SIG_IGN;
            sigaction(SIGINT, &ignore, &interrupt_);
            sigaction(SIGQUIT, &ignore, &quit_);
        }
        sigemptyset(&defaults_);
        if (interrupt_.sa_handler != SIG_IGN) sigaddset(&defaults_, SIGINT);
        if (quit_.sa_handler != SIG_IGN) sigaddset(&defaults_, SIGQUIT);

        const sigset_t child = only(SIGCHLD);
        pthread_sigmask(SIG_BLOCK, &child, &mask_);
        if (in_thread_++ == 0) child_was_blocked_ = sigismember(&mask_, SIGCHLD) == 1;
        if (!child_was_blocked_) sigdelset(&mask_, SIGCHLD);
    }
    ~quiet_signals() {
        const std::lock_guard guard(shell_mutex());
        if (--under_way_ == 0) {
            sigaction(SIGINT, &interrupt_, nullptr);
            sigaction(SIGQUIT, &quit_, nullptr);
        }
        const sigset_t child = only(SIGCHLD);
        if (--in_thread_ == 0 && !child_was_blocked_) pthread_sigmask(SIG_UNBLOCK, &child, nullptr);
    }
    quiet_signals(const quiet_signals&) = delete;
    quiet_signals& operator=(const quiet_signals&) = delete;

    // What the command is to have: as if nothing had been ignored or blocked.
    [[nodiscard]] const sigset_t& mask() const { return mask_; }
    [[nodiscard]] const sigset_t& defaults() const { return defaults_; }

  private:
    static sigset_t only(int signal) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signal);
        return set;
    }

    static inline int under_way_ = 0;
    static inline struct sigaction interrupt_ {};
    static inline struct sigaction quit_ {};
    static inline thread_local int in_thread_ = 0;
    static inline thread_local bool child_was_blocked_ = false;

    sigset_t mask_{};
    sigset_t defaults_{};
};

// Waits for it as a fiber or as a thread does, which may be cancelled.
pid_t wait_to_the_end(pid_t child, int& status) {
    pid_t ended;
    do {
        ended = ::waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    return ended;
}

bool was_interrupted() noexcept { return errno == ECANCELED || errno == ETIMEDOUT; }

// A fiber that is killed leaves no command behind, as a cancelled thread does not.
void end_command(pid_t child) noexcept {
    const int saved = errno;
    int status = 0;
    kill(child, SIGKILL);
    while (real::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    errno = saved;
}

int run_shell(const char* command) {
    const quiet_signals during;
    spawn_attributes attributes;
    attributes.set_signals(during.mask(), during.defaults());
    pid_t child = -1;
    if (const int error = spawn_shell(child, command, nullptr, attributes.get())) {
        errno = error;
        return W_EXITCODE(127, 0);  // as a shell that could not be executed
    }
    int status = -1;
    try {
        if (wait_to_the_end(child, status) == child) return status;
    } catch (...) {  // the thread is cancelled
        end_command(child);
        throw;
    }
    if (was_interrupted()) end_command(child);
    return -1;
}

// --- popen -----------------------------------------------------------------------------------

struct opened_stream {
    FILE* stream;
    int fd;
    pid_t child;
};

// Guarded by shell_mutex().
std::vector<opened_stream>& opened() {
    static auto* const all = new std::vector<opened_stream>;
    return *all;
}

struct popen_mode {
    bool reads = false;
    bool writes = false;
    bool close_on_exec = false;
    [[nodiscard]] bool is_valid() const { return reads != writes; }
};

popen_mode parse_mode(const char* text) noexcept {
    popen_mode mode;
    for (; *text != '\0'; ++text) {
        if (*text == 'r')
            mode.reads = true;
        else if (*text == 'w')
            mode.writes = true;
        else if (*text == 'e')
            mode.close_on_exec = true;
        else
            return {};
    }
    return mode;
}

class file_actions {
  public:
    file_actions() { posix_spawn_file_actions_init(&actions_); }
    ~file_actions() { posix_spawn_file_actions_destroy(&actions_); }
    file_actions(const file_actions&) = delete;
    file_actions& operator=(const file_actions&) = delete;
    void copy(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
    void close(int fd) { posix_spawn_file_actions_addclose(&actions_, fd); }
    [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

  private:
    posix_spawn_file_actions_t actions_{};
};

int start_command(pid_t& child, const char* command, int fd, int standard) {
    file_actions files;
    files.copy(fd, standard);
    for (const opened_stream& each : opened())
        if (each.fd != standard) files.close(each.fd);
    return spawn_shell(child, command, files.get(), nullptr);
}

void close_both(const int ends[2]) noexcept {
    const int saved = errno;
    ::close(ends[0]);
    ::close(ends[1]);
    errno = saved;
}

// Starts what is to have the other end of the pipe, and remembers the stream.
bool start_command_of(FILE* stream, const char* command, int childs,
                      const popen_mode& mode) noexcept {
    const std::lock_guard guard(shell_mutex());
    try {
        opened().reserve(opened().size() + 1);
    } catch (const std::bad_alloc&) {
        return false;
    }
    pid_t child = -1;
    const int standard = mode.reads ? STDOUT_FILENO : STDIN_FILENO;
    if (start_command(child, command, childs, standard) != 0) return false;
    opened().push_back({stream, fileno(stream), child});
    ++commands_opened;
    return true;
}

FILE* open_command(const char* command, const popen_mode& mode) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return nullptr;
    const int ours = ends[mode.reads ? 0 : 1];
    const int childs = ends[mode.reads ? 1 : 0];
    FILE* const stream = fdopen(ours, mode.reads ? "r" : "w");
    if (stream == nullptr) {
        close_both(ends);
        return nullptr;
    }
    const bool has_started = start_command_of(stream, command, childs, mode);
    ::close(childs);
    if (!has_started) {
        // Not under the lock: fclose() takes it to look for a command of the stream.
        ::fclose(stream);
        errno = ENOMEM;  // whatever the reason, as from libc
        return nullptr;
    }
    if (!mode.close_on_exec) ::fcntl(ours, F_SETFD, 0);
    return stream;
}

// The child of a stream that popen() made, which is forgotten; else -1.
pid_t take_child_of(FILE* stream) {
    const std::lock_guard guard(shell_mutex());
    const auto found = std::ranges::find(opened(), stream, &opened_stream::stream);
    if (found == opened().end()) return -1;
    const pid_t child = found->child;
    opened().erase(found);
    --commands_opened;
    return child;
}

// Nobody else will.
void reap_later(pid_t child) noexcept {
    const int saved = errno;
    try {
        const signals_blocked during;
        std::thread([child] {
            int status = 0;
            while (real::waitpid(child, &status, 0) < 0 && errno == EINTR) {
            }
        }).detach();
    } catch (...) {  // no thread: it stays a zombie until the process ends
    }
    errno = saved;
}

// As in libc's pclose(), the wait of a plain thread is not cancelled: nobody else reaps the child.
class not_cancelled {
  public:
    not_cancelled() noexcept {
        if (current_fiber == nullptr) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_);
    }
    ~not_cancelled() {
        if (current_fiber == nullptr) pthread_setcancelstate(before_, nullptr);
    }
    not_cancelled(const not_cancelled&) = delete;
    not_cancelled& operator=(const not_cancelled&) = delete;

  private:
    int before_ = 0;
};

int close_command(FILE* stream, pid_t child) {
    ::fclose(stream);
    const not_cancelled during;
    int status = -1;
    if (wait_to_the_end(child, status) == child) return status;
    if (was_interrupted()) reap_later(child);
    return -1;
}

}  // namespace

bool close_command_of(FILE* stream, int& status) {
    const pid_t child = take_child_of(stream);
    if (child < 0) return false;
    status = close_command(stream, child);
    return true;
}

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int system(const char* command) {
    if (!is_chosen(family::process)) return real::system(command);
    return command == nullptr ? static_cast<int>(run_shell("exit 0") == 0) : run_shell(command);
}

FILE* popen(const char* command, const char* type) {
    if (!is_chosen(family::process)) return real::popen(command, type);
    const popen_mode mode = parse_mode(type);
    if (!mode.is_valid()) {
        errno = EINVAL;
        return nullptr;
    }
    return open_command(command, mode);
}

[[gnu::alias("popen"), gnu::malloc]] FILE* _IO_popen(const char* command, const char* type);

int pclose(FILE* stream) {
    int status = 0;
    return close_if_command(stream, status) ? status : real::pclose(stream);
}
}
