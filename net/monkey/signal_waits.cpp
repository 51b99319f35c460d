// pause, sigsuspend, sigwait, sigwaitinfo, sigtimedwait.

#include "pending_signals.hpp"
#include "probe.hpp"
#include "ramie/detail/handled_signals.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind a_handled_signal{"a signal's handler", outside::kernel, nullptr,
                                     handler_ends::always};
constexpr wait_kind a_signal{"a signal", outside::kernel, nullptr, handler_ends::always};

// Until a handler has run, of what `mask` opens too; null: the thread's own.
int wait_for_handler(const sigset_t* mask) noexcept {
    const std::uint64_t before = handlers_run();
    pending_signals opened;
    const watched how = watch_until(
        a_handled_signal, nullptr, deadline::never(),
        [&](int) { return run_handlers_of(mask) || handlers_run() != before; },
        [&](watch_list& places) {
            places.add(waiting_for_handler());
            opened.watch_opened(places, mask);
            return true;
        });
    if (how == watched::seen) errno = EINTR;
    return -1;
}

// A call that waits for a signal gets it before a handler would, also where it is not blocked.
class blocked_meanwhile {
  public:
    explicit blocked_meanwhile(const sigset_t& signals) noexcept {
        sigset_t before{};
        pthread_sigmask(SIG_BLOCK, &signals, &before);
        sigemptyset(&added_);
        for (int each = 1; each < NSIG; ++each)
            if (sigismember(&signals, each) == 1 && sigismember(&before, each) == 0)
                sigaddset(&added_, each);
    }
    ~blocked_meanwhile() {
        const int saved = errno;
        pthread_sigmask(SIG_UNBLOCK, &added_, nullptr);
        errno = saved;
    }
    blocked_meanwhile(const blocked_meanwhile&) = delete;
    blocked_meanwhile& operator=(const blocked_meanwhile&) = delete;

  private:
    sigset_t added_;
};

int take_pending(const sigset_t* signals, siginfo_t* info) noexcept {
    const timespec none{};
    return real::sigtimedwait(signals, info, &none);
}

// The signal, or -1 with errno.
int wait_for_signal(const sigset_t* signals, siginfo_t* info, deadline until) noexcept {
    int n = take_pending(signals, info);
    if (n > 0 || errno != EAGAIN) return n;
    const blocked_meanwhile all(*signals);
    pending_signals pending;
    const watched how = watch_until(
        a_signal, signals, until,
        [&](int) {
            n = take_pending(signals, info);
            return n > 0 || errno != EAGAIN;
        },
        [&](watch_list& places) {
            pending.watch(places, *signals);
            return true;
        });
    if (how == watched::timed_out) errno = EAGAIN;
    return how == watched::seen ? n : -1;
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int pause() { return on_fiber(family::signal) ? wait_for_handler(nullptr) : real::pause(); }

int sigsuspend(const sigset_t* mask) {
    if (!on_fiber(family::signal) || !may_be_read(mask, sizeof(unsigned long)))
        return real::sigsuspend(mask);
    return wait_for_handler(mask);
}

[[gnu::alias("sigsuspend"), gnu::nonnull]] int __sigsuspend(const sigset_t* mask);

int sigtimedwait(const sigset_t* signals, siginfo_t* info, const timespec* timeout) {
    if (!on_fiber(family::signal) ||
        (timeout != nullptr && (!may_be_read(timeout, sizeof *timeout) || !is_valid(*timeout))))
        return real::sigtimedwait(signals, info, timeout);
    return wait_for_signal(signals, info, deadline_after(timeout));
}

int sigwaitinfo(const sigset_t* signals, siginfo_t* info) {
    return on_fiber(family::signal) ? wait_for_signal(signals, info, {})
                                    : real::sigwaitinfo(signals, info);
}

int sigwait(const sigset_t* signals, int* taken) {
    if (!on_fiber(family::signal)) return real::sigwait(signals, taken);
    siginfo_t info;
    int n;
    do {
        n = wait_for_signal(signals, &info, {});
    } while (n < 0 && errno == EINTR);
    if (n < 0) return errno;
    *taken = n;
    return 0;
}
}
