// A single child that ends makes its pidfd readable. For everything else (any child, a group, those
// that are stopped) the kernel wakes only threads that wait: one thread for each set of children
// blocks in waitid() with WNOWAIT, which takes nothing away, and tells the fibers. What it saw
// lasts until somebody takes it, so it does not matter who was first; and it returns only for what
// those fibers themselves wait for, so that they never look in vain again and again.

#include "child_watch.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/signals_blocked.hpp"
#include "ramie/detail/thread_reply.hpp"
#include "sleep.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind a_child{"a child process", outside::another_thread, nullptr,
                            handler_ends::unless_restarting};

class watching_threads {
  public:
    using reply = std::shared_ptr<thread_reply>;

    static watching_threads& get() {
        static const int registered =
            pthread_atfork(nullptr, nullptr, [] { current() = new watching_threads(current()); });
        static_cast<void>(registered);
        return *current();
    }

    // `to` is told when a child of the set has changed, or has done so before.
    void ask(const child_set& of, reply to) {
        const std::lock_guard guard(mutex_);
        auto [place, is_new] = askers_.try_emplace(of);
        place->second.push_back(std::move(to));
        if (!is_new) return;
        try {
            // A handler is not to run there.
            const signals_blocked during;
            std::thread([this, of] { watch(of); }).detach();
        } catch (...) {
            askers_.erase(place);
            throw;
        }
    }

    // Who does not wait any more is not held on to; the thread is there for the next one.
    void leave(const child_set& of, const reply& asker) {
        const std::lock_guard guard(mutex_);
        const auto place = askers_.find(of);
        if (place != askers_.end()) std::erase(place->second, asker);
    }

  private:
    explicit watching_threads(watching_threads* of_parent) : of_parent_(of_parent) {}

    void watch(const child_set& of) {
        siginfo_t info;
        while (real::waitid(of.type, of.id, &info, of.options | WNOWAIT) < 0 && errno == EINTR) {
        }
        for (const reply& each : take(of)) each->tell();
    }

    std::vector<reply> take(const child_set& of) {
        const std::lock_guard guard(mutex_);
        return std::move(askers_.extract(of).mapped());
    }

    static watching_threads*& current() {
        static watching_threads* of_this_process = new watching_threads(nullptr);
        return of_this_process;
    }

    // Its lock may be held for ever; kept, because its threads' memory is.
    [[maybe_unused]] watching_threads* of_parent_;
    std::mutex mutex_;
    std::map<child_set, std::vector<reply>> askers_;
};

// A number of our own, which means something only during one call.
int note_new(int fd) noexcept {
    if (fd >= 0) reset_facts(fd);
    return fd;
}

int open_process(const child_set& of) noexcept {
    if ((of.options & (WSTOPPED | WCONTINUED)) != 0) return -1;
    const int saved = errno;
    int fd = -1;
    if (of.type == P_PID) fd = static_cast<int>(syscall(SYS_pidfd_open, of.id, 0));
    // A copy: the call goes on when the caller's number is closed.
    if (of.type == P_PIDFD) fd = real::fcntl(static_cast<int>(of.id), F_DUPFD_CLOEXEC, nullptr);
    errno = saved;
    return note_new(fd);
}

bool went_on(wake reason) noexcept {
    if (reason == wake::granted || was_taken_back(reason)) return true;
    if (reason == wake::interrupted) errno = wait_error(reason);
    return false;
}

}  // namespace

child_change::child_change(const child_set& of) noexcept : of_(of), process_(open_process(of)) {}

child_change::~child_change() {
    if (process_ < 0) return;
    const int saved = errno;
    forget(process_);
    syscall(SYS_close, process_);
    errno = saved;
}

bool child_change::wait() noexcept {
    return process_ >= 0 ? wait_for_descriptor() : wait_for_thread();
}

bool child_change::wait_for_descriptor() noexcept {
    descriptor* const d = descriptor_of(process_);
    if (d == nullptr) return wait_for_thread();
    const wake reason = wait_descriptor(*d, process_, direction::read, deadline::never(),
                                        waits_as::watcher, called_by::libc);
    // Not to be watched: it is left to a thread.
    return reason == wake::closed ? wait_for_thread() : went_on(reason);
}

bool child_change::wait_for_thread() noexcept {
    try {
        const auto told = std::make_shared<thread_reply>();
        watching_threads::get().ask(of_, told);
        const wake reason = told->wait(a_child, deadline::never());
        if (reason != wake::granted) watching_threads::get().leave(of_, told);
        return went_on(reason);
    } catch (...) {
        // No thread or no memory now; the children do not run away.
        const wake reason = pause_on_fiber(deadline(std::chrono::milliseconds(10)));
        return reason == wake::timed_out || went_on(reason);
    }
}

}  // namespace ramie::monkey::detail
