// Waiting for signals, and calls whose mask lets them in, compared with the kernel.

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>

#include "support/oracle_cases.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

std::atomic<int> handled{0};

sigset_t only(int signal) {
    sigset_t made;
    sigemptyset(&made);
    if (signal != 0) sigaddset(&made, signal);
    return made;
}

void handle(int signal, int flags = 0) {
    struct sigaction action {};
    action.sa_handler = [](int) { ++handled; };
    action.sa_flags = flags;
    must("sigaction", ::sigaction(signal, &action, nullptr));
}

void block(int signal) {
    const sigset_t it = only(signal);
    must("pthread_sigmask", ::pthread_sigmask(SIG_BLOCK, &it, nullptr));
}

void log_handled(actor& me) { me.log("handled " + std::to_string(handled.exchange(0))); }

// --- calls with a mask -----------------------------------------------------------------------

struct masked_call {
    const char* name;
    long (*wait)(int fd, int set, const sigset_t* mask);
};

const timespec a_minute{60, 0};

constexpr masked_call masked_calls[] = {
    {"ppoll",
     [](int fd, int, const sigset_t* mask) -> long {
         pollfd readable{fd, POLLIN, 0};
         return ::ppoll(&readable, 1, nullptr, mask);
     }},
    {"ppoll for a time",
     [](int fd, int, const sigset_t* mask) -> long {
         pollfd readable{fd, POLLIN, 0};
         return ::ppoll(&readable, 1, &a_minute, mask);
     }},
    {"pselect",
     [](int fd, int, const sigset_t* mask) -> long {
         fd_set readable;
         FD_ZERO(&readable);
         FD_SET(fd, &readable);
         return ::pselect(fd + 1, &readable, nullptr, nullptr, nullptr, mask);
     }},
    {"epoll_pwait",
     [](int, int set, const sigset_t* mask) -> long {
         epoll_event event;
         return ::epoll_pwait(set, &event, 1, -1, mask);
     }},
    {"epoll_pwait2",
     [](int, int set, const sigset_t* mask) -> long {
         epoll_event event;
         return ::epoll_pwait2(set, &event, 1, &a_minute, mask);
     }},
    {"sigsuspend", [](int, int, const sigset_t* mask) -> long { return ::sigsuspend(mask); }},
};

struct watched_end {
    ends pair;
    int set;
};

watched_end open_watched(stage& s) {
    const watched_end made{s.open(channel::pair),
                           s.own(must("epoll_create1", ::epoll_create1(EPOLL_CLOEXEC)))};
    epoll_event event{};
    event.events = EPOLLIN;
    must("epoll_ctl", ::epoll_ctl(made.set, EPOLL_CTL_ADD, made.pair.a, &event));
    return made;
}

// Blocked, and let in by the call only: how programs end without a race.
void a_mask_lets_a_signal_in(stage& s) {
    const watched_end e = open_watched(s);
    static std::atomic<pthread_t> caller;
    s.add("caller", [=](actor& me) {
        caller = ::pthread_self();
        handle(SIGUSR1, SA_RESTART);
        block(SIGUSR1);
        const sigset_t none = only(0);
        for (const masked_call& each : masked_calls) {
            me.call(each.name, [&] { return each.wait(e.pair.a, e.set, &none); });
            log_handled(me);
        }
    });
    s.add("other", [](actor& me) {
        for (std::size_t i = 0; i != std::size(masked_calls); ++i) {
            me.until_blocked("caller");
            ::pthread_kill(caller, SIGUSR1);
            if (i + 1 != std::size(masked_calls)) me.until_begun("caller", static_cast<int>(i) + 2);
        }
    });
}

void a_pending_signal_is_let_in_at_once(stage& s) {
    const watched_end e = open_watched(s);
    s.add("caller", [=](actor& me) {
        handle(SIGUSR1);
        block(SIGUSR1);
        const sigset_t none = only(0);
        for (const masked_call& each : masked_calls) {
            ::pthread_kill(::pthread_self(), SIGUSR1);
            me.call(each.name, [&] { return each.wait(e.pair.a, e.set, &none); });
            log_handled(me);
        }
    });
}

void what_is_ready_comes_before_a_signal(stage& s) {
    const watched_end e = open_watched(s);
    must("write", ::write(e.pair.b, "x", 1));
    s.add("caller", [=](actor& me) {
        handle(SIGUSR1);
        block(SIGUSR1);
        ::pthread_kill(::pthread_self(), SIGUSR1);
        const sigset_t none = only(0);
        for (const masked_call& each : masked_calls) {
            if (std::string_view(each.name) == "sigsuspend") continue;
            me.call(each.name, [&] { return each.wait(e.pair.a, e.set, &none); });
            log_handled(me);
        }
        me.call("sigsuspend", [&] { return ::sigsuspend(&none); });
        log_handled(me);
    });
}

void a_signal_that_stays_blocked_ends_nothing(stage& s) {
    const watched_end e = open_watched(s);
    static std::atomic<pthread_t> caller;
    s.add("caller", [=](actor& me) {
        caller = ::pthread_self();
        handle(SIGUSR1);
        block(SIGUSR1);
        const sigset_t it = only(SIGUSR1);
        me.call("ppoll", [&] { return masked_calls[0].wait(e.pair.a, e.set, &it); });
        log_handled(me);
        me.call("sigwaitinfo", [&] { return ::sigwaitinfo(&it, nullptr); });
    });
    s.add("other", [=](actor& me) {
        me.until_blocked("caller");
        ::pthread_kill(caller, SIGUSR1);
        must("write", ::write(e.pair.b, "x", 1));
    });
}

// --- signals that are taken ------------------------------------------------------------------

struct taking_call {
    const char* name;
    int (*wait)(const sigset_t*);
};
constexpr taking_call taking_calls[] = {
    {"sigwait",
     [](const sigset_t* set) {
         int taken = 0;
         const int error = ::sigwait(set, &taken);
         return error != 0 ? -error : taken;
     }},
    {"sigwaitinfo",
     [](const sigset_t* set) {
         siginfo_t info{};
         const int taken = ::sigwaitinfo(set, &info);
         return info.si_signo == taken && info.si_code == SI_USER ? taken : -1;
     }},
    {"sigtimedwait", [](const sigset_t* set) { return ::sigtimedwait(set, nullptr, &a_minute); }},
};

void a_signal_is_taken(stage& s) {
    static std::atomic<pthread_t> caller;
    s.add("caller", [](actor& me) {
        caller = ::pthread_self();
        sigset_t set = only(SIGUSR1);
        sigaddset(&set, SIGUSR2);
        block(SIGUSR1);
        block(SIGUSR2);
        for (const taking_call& each : taking_calls)
            me.call(each.name, [&] { return each.wait(&set); });
        // One that is there already.
        for (const taking_call& each : taking_calls) {
            ::pthread_kill(::pthread_self(), SIGUSR2);
            me.call(each.name, [&] { return each.wait(&set); });
        }
    });
    s.add("other", [](actor& me) {
        for (std::size_t i = 0; i != std::size(taking_calls); ++i) {
            me.until_blocked("caller", static_cast<int>(i));
            ::pthread_kill(caller, i % 2 == 0 ? SIGUSR1 : SIGUSR2);
            me.until_begun("caller", static_cast<int>(i) + 2);
        }
    });
}

// Its handler does not run then.
void a_signal_that_is_not_blocked_is_taken_too(stage& s) {
    static std::atomic<pthread_t> caller;
    s.add("caller", [](actor& me) {
        caller = ::pthread_self();
        handle(SIGUSR1);
        const sigset_t set = only(SIGUSR1);
        me.call("sigwaitinfo", [&] { return ::sigwaitinfo(&set, nullptr); });
        log_handled(me);
        ::pthread_kill(::pthread_self(), SIGUSR1);
        log_handled(me);
    });
    s.add("other", [](actor& me) {
        me.until_blocked("caller");
        ::pthread_kill(caller, SIGUSR1);
    });
}

void waiting_for_a_signal_has_an_end(stage& s) {
    s.add("caller", [](actor& me) {
        block(SIGUSR1);
        const sigset_t set = only(SIGUSR1);
        for (const timespec time : {timespec{0, 20'000'000}, timespec{0, 0}})
            me.takes_at_least(std::chrono::microseconds(time.tv_nsec / 1000), [&] {
                me.call("sigtimedwait", [&] { return ::sigtimedwait(&set, nullptr, &time); });
            });
        for (const timespec time : {timespec{-1, 0}, timespec{0, 1'000'000'000}})
            me.call("sigtimedwait", [&] { return ::sigtimedwait(&set, nullptr, &time); });
        me.call("sigwaitinfo",
                [] { return ::sigwaitinfo(bad_pointer<const sigset_t>(), nullptr); });
        me.call("sigsuspend", [] { return ::sigsuspend(bad_pointer<const sigset_t>()); });
    });
}

void a_handler_ends_a_pause(stage& s) {
    static std::atomic<pthread_t> caller;
    s.add("caller", [](actor& me) {
        caller = ::pthread_self();
        for (const int flags : {0, SA_RESTART}) {
            handle(SIGUSR1, flags);
            me.call("pause", [] { return ::pause(); });
            log_handled(me);
        }
    });
    s.add("other", [](actor& me) {
        for (int i = 0; i != 2; ++i) {
            me.until_blocked("caller", i);
            ::pthread_kill(caller, SIGUSR1);
        }
    });
}

void an_ignored_signal_ends_nothing(stage& s) {
    static std::atomic<pthread_t> caller;
    s.add("caller", [](actor& me) {
        caller = ::pthread_self();
        handle(SIGUSR1);
        ::signal(SIGUSR2, SIG_IGN);
        me.call("pause", [] { return ::pause(); });
        log_handled(me);
    });
    s.add("other", [](actor& me) {
        me.until_blocked("caller");
        ::pthread_kill(caller, SIGUSR2);
        for (int i = 0; i != 100; ++i) ::poll(nullptr, 0, 0);
        me.log(me.still_waits("caller") ? "still waits" : "was ended");
        ::pthread_kill(caller, SIGUSR1);
    });
}

const named_scenario scenarios[] = {
    {"a_mask_lets_a_signal_in", a_mask_lets_a_signal_in},
    {"a_pending_signal_is_let_in_at_once", a_pending_signal_is_let_in_at_once},
    {"what_is_ready_comes_before_a_signal", what_is_ready_comes_before_a_signal},
    {"a_signal_that_stays_blocked_ends_nothing", a_signal_that_stays_blocked_ends_nothing},
    {"a_signal_is_taken", a_signal_is_taken},
    {"a_signal_that_is_not_blocked_is_taken_too", a_signal_that_is_not_blocked_is_taken_too},
    {"waiting_for_a_signal_has_an_end", waiting_for_a_signal_has_an_end},
    {"a_handler_ends_a_pause", a_handler_ends_a_pause},
    {"an_ignored_signal_ends_nothing", an_ignored_signal_ends_nothing},
};

class waiting_for_signals : public ::testing::TestWithParam<named_scenario> {};

TEST_P(waiting_for_signals, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, waiting_for_signals, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
