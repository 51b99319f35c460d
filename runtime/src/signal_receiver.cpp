#include "signal_receiver.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "ramie/wait_fd.hpp"

namespace ramie::detail {

constinit thread_local signal_mask kept_signals = 0;

// What a handler looks at, on any thread and at any moment: it is never freed, and belongs to one
// receiver after the other.
struct signal_receiver::slot {
    std::atomic<signal_mask> wanted{0};
    std::atomic<signal_mask> arrived{0};
    std::atomic<int> handlers{0};  // that are about to write
    int event_fd = -1;             // changes only while nothing is wanted
    slot* next = nullptr;
    bool taken = false;  // this and the next: under the lock
    std::uint32_t generation = 0;

    void tell(signal_mask bit) noexcept {
        if ((wanted & bit) == 0) return;
        ++handlers;
        // Wanted still: the descriptor is not closed before this handler is done.
        if ((wanted & bit) != 0 && (arrived.fetch_or(bit) & bit) == 0) {
            const std::uint64_t one = 1;
            syscall(SYS_write, event_fd, &one, sizeof one);
        }
        --handlers;
    }
    signal_mask leave() noexcept {
        taken = false;
        ++generation;
        return arrived.exchange(0);
    }
};

struct signal_receiver::registry {
    static constexpr int signal_count = 65;
    static_assert(std::atomic<signal_mask>::is_always_lock_free);

    std::mutex mutex;
    std::atomic<slot*> slots{nullptr};
    std::array<int, signal_count> users{};
    std::array<struct sigaction, signal_count> previous{};
    sigset_t mask_before_fork{};

    // Never destroyed: a signal may come until the process is gone.
    static registry& get() {
        static auto* const only = new registry;
        return *only;
    }
    registry() { pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child); }

    static void on_arrival(int signal) noexcept {
        const int error = errno;
        for (slot* s = get().slots; s != nullptr; s = s->next)
            s->tell(signal_mask{1} << (signal - 1));
        errno = error;
    }

    void add_user(int signal) noexcept {
        if (users[static_cast<std::size_t>(signal)]++ != 0) return;
        struct sigaction action {};
        action.sa_handler = &on_arrival;
        // Neither a fiber's small stack nor a system call of the loop is to suffer.
        action.sa_flags = SA_ONSTACK | SA_RESTART;
        sigfillset(&action.sa_mask);
        ::sigaction(signal, &action, &previous[static_cast<std::size_t>(signal)]);
    }
    void remove_user(int signal) noexcept {
        if (--users[static_cast<std::size_t>(signal)] == 0) restore(signal);
    }
    // Unless somebody else has taken the signal over meanwhile.
    void restore(int signal) noexcept {
        struct sigaction now {};
        ::sigaction(signal, nullptr, &now);
        if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == &on_arrival)
            ::sigaction(signal, &previous[static_cast<std::size_t>(signal)], nullptr);
    }

    // No signal may fall between the fork and the moment at which the child has its own actions.
    static void before_fork() {
        registry& all = get();
        sigset_t every;
        sigfillset(&every);
        sigset_t before;
        pthread_sigmask(SIG_SETMASK, &every, &before);
        all.mutex.lock();
        all.mask_before_fork = before;
    }
    static void after_fork_in_parent() {
        registry& all = get();
        const sigset_t before = all.mask_before_fork;
        all.mutex.unlock();
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    static void after_fork_in_child() {
        registry& all = get();
        for (int signal = 1; signal != signal_count; ++signal)
            if (std::exchange(all.users[static_cast<std::size_t>(signal)], 0) != 0)
                all.restore(signal);
        for (slot* s = all.slots; s != nullptr; s = s->next) {
            s->wanted = 0;
            s->handlers = 0;  // of threads that are not here
            s->leave();
        }
        kept_signals = 0;
        after_fork_in_parent();
    }
};

namespace {

bool can_be_received(int signal) noexcept {
    constexpr std::array impossible{SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction now {};
    return std::ranges::find(impossible, signal) == impossible.end() &&
           ::sigaction(signal, nullptr, &now) == 0;
}

signal_mask mask_of(std::initializer_list<int> signals) {
    signal_mask mask = 0;
    for (const int each : signals) {
        if (!can_be_received(each))
            throw std::invalid_argument("ramie: signal " + std::to_string(each) +
                                        " cannot be received");
        mask |= signal_mask{1} << (each - 1);
    }
    return mask;
}

template <class F>
void for_each_signal(signal_mask mask, F f) {
    for (int signal = 1; mask != 0; ++signal, mask >>= 1)
        if ((mask & 1) != 0) f(signal);
}

int make_event_descriptor() {
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        throw std::system_error(errno, std::generic_category(), "ramie: eventfd for signals");
    return fd;
}

}  // namespace

signal_receiver::slot* signal_receiver::free_slot(registry& all) {
    for (slot* s = all.slots; s != nullptr; s = s->next)
        if (!s->taken) return s;
    auto* const made = new slot;
    made->next = all.slots;
    all.slots = made;
    return made;
}

signal_receiver::signal_receiver(std::initializer_list<int> signals) {
    const signal_mask mask = mask_of(signals);
    registry& all = registry::get();
    const std::lock_guard guard(all.mutex);
    slot_ = free_slot(all);
    slot_->event_fd = event_fd_ = make_event_descriptor();
    slot_->taken = true;
    generation_ = slot_->generation;
    slot_->wanted = mask;
    for_each_signal(mask, [&](int each) { all.add_user(each); });
}

signal_receiver::~signal_receiver() {
    close();
    forget_descriptor(event_fd_);
    syscall(SYS_close, event_fd_);
}

signal_mask signal_receiver::take() noexcept {
    std::uint64_t count = 0;
    syscall(SYS_read, event_fd_, &count, sizeof count);
    return slot_->arrived.exchange(0);
}

signal_mask signal_receiver::close() noexcept {
    registry& all = registry::get();
    const std::lock_guard guard(all.mutex);
    if (slot_->generation != generation_) return 0;  // closed, or its process was forked
    for_each_signal(slot_->wanted, [&](int each) { all.remove_user(each); });
    slot_->wanted = 0;
    while (slot_->handlers != 0) sched_yield();
    return slot_->leave();
}

signal_mask signal_receiver::wanted() const noexcept {
    return slot_->generation == generation_ ? slot_->wanted.load() : 0;
}

}  // namespace ramie::detail
