// sigaction and its like. A handler runs wherever the thread is, and that may be a fiber's small
// stack and the scheduler in the middle of a change. So ours is installed in its place: on the
// alternate stack, with no fiber to be seen, where patched calls are the plain ones; and it tells
// the fibers afterwards that one has run.

#include "handlers.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "calls.hpp"
#include "pending_signals.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/handled_signals.hpp"
#include "signal_safe_calls.hpp"

namespace ramie::monkey::detail {

namespace {

using action_function = void (*)(int, siginfo_t*, void*);

// What the owner of the program installed.
struct owners_handler {
    std::atomic<action_function> function;
    std::atomic<int> flags;
};
constinit std::array<owners_handler, NSIG> owners{};

// The fiber that a handler has interrupted; null outside of handlers.
constinit thread_local fiber_core* interrupted_fiber __attribute__((tls_model("initial-exec"))) =
    nullptr;

void run_handler(int signal, siginfo_t* info, void* context) {
    const owners_handler& owner = owners[static_cast<std::size_t>(signal)];
    const bool restarts = (owner.flags & SA_RESTART) != 0;
    fiber_core* const self = std::exchange(current_fiber, nullptr);
    if (self != nullptr) interrupted_fiber = self;
    owner.function.load()(signal, info, context);
    if (self != nullptr) interrupted_fiber = nullptr;
    current_fiber = self;
    if (signals_are_own::now())
        note_handler_ran(handler_ends::nothing);
    else
        note_handler_ran(restarts ? handler_ends::always : handler_ends::unless_restarting);
}

// What the program does wrong is for whoever reports it: where it happened must be seen as it is.
bool is_fault(int signal) noexcept {
    constexpr int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};
    for (const int each : faults)
        if (each == signal) return true;
    return false;
}

bool may_be_ours(int signal) noexcept {
    return signal > 0 && signal < NSIG && !is_fault(signal) && signal != probe_signal.load();
}

// In a vforked child the table is its parent's.
bool is_ours_here(int signal) noexcept { return may_be_ours(signal) && is_patched_process(); }
inline bool is_ours(int signal) noexcept { return is_on(family::signal) && is_ours_here(signal); }

bool is_ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == &run_handler;
}

bool has_function(const struct sigaction& action) noexcept {
    return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
}

// Puts ours in front of what is installed now. Another thread may install something meanwhile:
// then that.
void adopt(int signal) noexcept {
    struct sigaction now {};
    if (real::sigaction(signal, nullptr, &now) != 0) return;
    owners_handler& owner = owners[static_cast<std::size_t>(signal)];
    while (!is_ours(now) && has_function(now)) {
        find_signal_safe_calls();
        owner.function = now.sa_sigaction;  // what takes fewer arguments ignores the others
        owner.flags = now.sa_flags;
        struct sigaction ours = now;
        ours.sa_sigaction = &run_handler;
        ours.sa_flags |= SA_SIGINFO | SA_ONSTACK;
        struct sigaction replaced {};
        if (real::sigaction(signal, &ours, &replaced) != 0 || is_ours(replaced)) return;
        if (replaced.sa_sigaction == now.sa_sigaction) return;
        now = replaced;
        if (!has_function(now)) real::sigaction(signal, &now, nullptr);
    }
}

sigset_t only(int signal) noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    return set;
}

// The signal waits meanwhile, so that no handler runs without ours.
class held_back {
  public:
    explicit held_back(int signal) noexcept {
        const sigset_t one = only(signal);
        pthread_sigmask(SIG_BLOCK, &one, &before_);
    }
    ~held_back() {
        const int saved = errno;
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        errno = saved;
    }
    held_back(const held_back&) = delete;
    held_back& operator=(const held_back&) = delete;

  private:
    sigset_t before_;
};

// The action before a change, as its owner knows it.
struct owners_action {
    explicit owners_action(int signal) noexcept
        : function(owners[static_cast<std::size_t>(signal)].function),
          flags(owners[static_cast<std::size_t>(signal)].flags) {}

    void show_in(struct sigaction& action) const noexcept {
        if (!is_ours(action)) return;
        constexpr int added = SA_SIGINFO | SA_ONSTACK;
        action.sa_sigaction = function;
        action.sa_flags = (action.sa_flags & ~added) | (flags & added);
    }

    action_function function;
    int flags;
};

int change_action(int signal, const struct sigaction* action, struct sigaction* before) noexcept {
    const owners_action owned(signal);
    const int result = real::sigaction(signal, action, before);
    if (result == 0 && before != nullptr) owned.show_in(*before);
    return result;
}

sighandler_t as_handler(action_function function) noexcept {
    struct sigaction action {};
    action.sa_sigaction = function;
    return action.sa_handler;
}

int install(int signal, const struct sigaction& action, struct sigaction* before) noexcept {
    const held_back hold(signal);
    const int result = change_action(signal, &action, before);
    if (result == 0) adopt(signal);
    return result;
}

void adopt_held(int signal) noexcept {
    const held_back hold(signal);
    adopt(signal);
}

// After a plain call: another thread may have made the first scheduler meanwhile.
inline void adopt_late(int signal) noexcept {
    if (is_ours(signal)) [[unlikely]]
        adopt_held(signal);
}

int change_early(int signal, const struct sigaction* action, struct sigaction* before) noexcept {
    const int result = real::sigaction(signal, action, before);
    if (result != 0) return result;
    if (before != nullptr && is_ours(*before)) owners_action(signal).show_in(*before);
    adopt_late(signal);
    return result;
}

template <class Plain>
sighandler_t change_early(int signal, sighandler_t handler, const Plain& plain) noexcept {
    sighandler_t before = plain(signal, handler);
    if (before == as_handler(&run_handler)) before = as_handler(owners_action(signal).function);
    if (before != SIG_ERR) adopt_late(signal);
    return before;
}

template <class Plain>
sighandler_t change_handler(int signal, sighandler_t handler, const Plain& plain) noexcept {
    if (handler != SIG_DFL && handler != SIG_IGN) find_signal_safe_calls();
    if (!is_ours(signal)) return change_early(signal, handler, plain);
    const held_back hold(signal);
    const owners_action owned(signal);
    const sighandler_t before = plain(signal, handler);
    if (before == SIG_ERR) return before;
    adopt(signal);
    return before == as_handler(&run_handler) ? as_handler(owned.function) : before;
}

// A handler that jumps out never returns to ours.
void leave_handler() noexcept {
    if (interrupted_fiber != nullptr) current_fiber = std::exchange(interrupted_fiber, nullptr);
}

template <class Plain>
[[noreturn]] void jump(const Plain& plain, __jmp_buf_tag* to, int value) noexcept {
    leave_handler();
    plain(to, value);
    __builtin_unreachable();
}

}  // namespace

void adopt_handlers() noexcept {
    for (int each = 1; each < NSIG; ++each)
        if (may_be_ours(each)) adopt(each);
}

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int sigaction(int signal, const struct sigaction* action, struct sigaction* before) noexcept {
    const bool installs = action != nullptr && has_function(*action);
    if (installs) find_signal_safe_calls();
    if (!is_ours(signal)) return change_early(signal, action, before);
    // Shells ask, ignore and reset often; no handler can run that is not ours then.
    return installs ? install(signal, *action, before) : change_action(signal, action, before);
}

[[gnu::alias("sigaction")]] int __sigaction(int signal, const struct sigaction* action,
                                            struct sigaction* before) noexcept;

sighandler_t signal(int number, sighandler_t handler) noexcept {
    return change_handler(number, handler, real::signal);
}

[[gnu::alias("signal")]] sighandler_t bsd_signal(int number, sighandler_t handler) noexcept;
[[gnu::alias("signal")]] sighandler_t ssignal(int number, sighandler_t handler) noexcept;

sighandler_t __sysv_signal(int number, sighandler_t handler) noexcept {
    return change_handler(number, handler, real::__sysv_signal);
}

[[gnu::alias("__sysv_signal")]] sighandler_t sysv_signal(int number, sighandler_t handler) noexcept;

// It also lets the signal in. With SIG_HOLD it tells what there was, and holds it back meanwhile.
sighandler_t sigset(int number, sighandler_t handler) noexcept {
    if (handler != SIG_DFL && handler != SIG_IGN && handler != SIG_HOLD) find_signal_safe_calls();
    if (!is_ours(number)) return change_early(number, handler, real::sigset);
    const owners_action owned(number);
    sighandler_t before = real::sigset(number, SIG_HOLD);
    if (before == as_handler(&run_handler)) before = as_handler(owned.function);
    if (handler == SIG_HOLD) return before;
    struct sigaction action {};
    action.sa_handler = handler;
    if (sigaction(number, &action, nullptr) != 0) return SIG_ERR;
    const sigset_t it = only(number);
    pthread_sigmask(SIG_UNBLOCK, &it, nullptr);
    return before;
}

int siginterrupt(int number, int interrupts) noexcept {
    const int result = real::siginterrupt(number, interrupts);
    if (result != 0 || !is_ours(number)) return result;
    adopt_late(number);
    std::atomic<int>& flags = owners[static_cast<std::size_t>(number)].flags;
    if (interrupts != 0)
        flags &= ~SA_RESTART;
    else
        flags |= SA_RESTART;
    return result;
}

void longjmp(__jmp_buf_tag* to, int value) noexcept { jump(real::longjmp, to, value); }
void _longjmp(__jmp_buf_tag* to, int value) noexcept { jump(real::_longjmp, to, value); }
void siglongjmp(__jmp_buf_tag* to, int value) noexcept { jump(real::siglongjmp, to, value); }
[[noreturn]] void __longjmp_chk(__jmp_buf_tag* to, int value) noexcept {
    jump(real::__longjmp_chk, to, value);
}
}
