// wait, waitpid, wait3, wait4 and waitid, compared with the kernel.

#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "support/children.hpp"
#include "support/oracle_cases.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
// Numbers of processes differ from time to time: which one of them it is.
std::string which(const children& all, long pid) {
    for (std::size_t i = 0; i != all.size(); ++i)
        if (all[i]->pid() == pid) return "child " + std::to_string(i);
    return std::to_string(pid);
}

// Makes one call and says what it left behind.
template <class F>
long wait_for(actor& me, const char* name, const children& all, F f) {
    int status = 0x7777;
    long result = 0;
    me.make(name, [&] { return result = f(&status); });
    me.log(which(all, result) + ", status " + std::to_string(status));
    return result;
}

template <class F>
void inspect(actor& me, const children& all, F f) {
    siginfo_t info{};
    info.si_pid = 5;
    me.call("waitid", [&] { return f(&info); });
    me.log(which(all, info.si_pid) + ", signal " + std::to_string(info.si_signo) + ", code " +
           std::to_string(info.si_code) + ", status " + std::to_string(info.si_status));
}

void add_ender(stage& s, const children& all, unsigned char code) {
    s.add("ender", [=](actor& me) {
        me.until_blocked("waiter");
        for (const auto& each : all) each->end(code);
    });
}

void one_child_by_number(stage& s) {
    const auto all = some_children(1);
    s.add("waiter", [=](actor& me) {
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(all[0]->pid(), at, 0); });
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(all[0]->pid(), at, 0); });
    });
    add_ender(s, all, 7);
}

void any_child(stage& s) {
    const auto all = some_children(1);
    s.add("waiter", [=](actor& me) {
        wait_for(me, "wait", all, [](int* at) { return ::wait(at); });
        wait_for(me, "wait", all, [](int* at) { return ::wait(at); });
    });
    add_ender(s, all, 8);
}

void what_it_used(stage& s) {
    const auto all = some_children(2);
    s.add("waiter", [=](actor& me) {
        for (const pid_t pid : {all[0]->pid(), -1}) {
            rusage usage{};
            usage.ru_maxrss = -1;
            wait_for(me, "wait4", all, [&](int* at) { return ::wait4(pid, at, 0, &usage); });
            me.log(usage.ru_maxrss > 0 ? "used memory" : "used nothing");
        }
    });
    s.add("ender", [=](actor& me) {
        me.until_blocked("waiter");
        all[0]->end(1);
        me.until_blocked("waiter", 1);
        all[1]->end(2);
    });
}

void wait3_too(stage& s) {
    const auto all = some_children(1);
    s.add("waiter", [=](actor& me) {
        rusage usage{};
        wait_for(me, "wait3", all, [&](int* at) { return ::wait3(at, 0, &usage); });
        wait_for(me, "wait3", all, [&](int* at) { return ::wait3(at, 0, nullptr); });
    });
    add_ender(s, all, 3);
}

void one_that_ended_before(stage& s) {
    const auto all = some_children(3);
    for (const auto& each : all) each->end_completely(4);
    s.add("waiter", [=](actor& me) {
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(all[1]->pid(), at, 0); });
        wait_for(me, "waitpid", all,
                 [&](int* at) { return ::waitpid(all[0]->pid(), at, WNOHANG); });
        wait_for(me, "waitpid", all, [&](int*) { return ::waitpid(all[2]->pid(), nullptr, 0); });
    });
}

void one_that_was_killed(stage& s) {
    const auto all = some_children(1);
    s.add("waiter", [=](actor& me) {
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(all[0]->pid(), at, 0); });
    });
    s.add("killer", [=](actor& me) {
        me.until_blocked("waiter");
        all[0]->send(SIGKILL);
    });
}

void none(stage& s) {
    s.add("waiter", [](actor& me) {
        me.call("wait", [] { return ::wait(nullptr); });
        me.call("waitpid", [] { return ::waitpid(-1, nullptr, 0); });
        me.call("waitpid", [] { return ::waitpid(0, nullptr, 0); });
        me.call("waitpid", [] { return ::waitpid(1, nullptr, 0); });
        me.call("waitpid", [] { return ::waitpid(-1, nullptr, WNOHANG); });
        me.call("waitpid", [] { return ::waitpid(-1, nullptr, 0x4000); });
        me.call("waitpid", [] { return ::waitpid(std::numeric_limits<pid_t>::min(), nullptr, 0); });
        me.call("wait4", [] { return ::wait4(-1, nullptr, 0x4000, nullptr); });
        inspect(me, {}, [](siginfo_t* at) { return ::waitid(P_ALL, 0, at, WEXITED); });
        inspect(me, {}, [](siginfo_t* at) { return ::waitid(P_ALL, 0, at, 0); });
        inspect(me, {}, [](siginfo_t* at) { return ::waitid(P_PID, 0, at, WEXITED); });
        inspect(me, {}, [](siginfo_t* at) { return ::waitid(P_PIDFD, 999, at, WEXITED); });
        inspect(me, {}, [](siginfo_t* at) { return ::waitid(idtype_t(9), 0, at, WEXITED); });
        me.call("waitid", [] { return ::waitid(P_ALL, 0, nullptr, WEXITED); });
    });
}

// It is taken, though nobody hears of it.
void one_that_is_told_to_nowhere(stage& s) {
    const auto all = some_children(1);
    s.add("waiter", [=](actor& me) {
        auto* const nowhere = bad_pointer<siginfo_t>();
        me.call("waitid", [=] { return ::waitid(P_ALL, 0, nowhere, WEXITED); });
        me.call("waitid", [=] { return ::waitid(P_ALL, 0, nowhere, WEXITED); });
        me.call("waitid", [=] { return ::waitid(P_ALL, 0, nullptr, WEXITED); });
    });
    add_ender(s, all, 2);
}

void one_that_does_not_end(stage& s) {
    const auto all = some_children(1);
    s.add("waiter", [=](actor& me) {
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(-1, at, WNOHANG); });
        inspect(me, all, [](siginfo_t* at) { return ::waitid(P_ALL, 0, at, WEXITED | WNOHANG); });
        all[0]->end();
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(-1, at, 0); });
    });
}

void one_that_stops_and_goes_on(stage& s) {
    const auto all = some_children(1);
    const pid_t pid = all[0]->pid();
    s.add("waiter", [=](actor& me) {
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(pid, at, WUNTRACED); });
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(-1, at, WCONTINUED); });
        inspect(me, all, [&](siginfo_t* at) { return ::waitid(P_PID, id_t(pid), at, WSTOPPED); });
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(pid, at, 0); });
    });
    s.add("driver", [=](actor& me) {
        int calls = 0;
        for (const int signal : {SIGSTOP, SIGCONT, SIGSTOP}) {
            me.until_blocked("waiter", calls++);
            all[0]->send(signal);
        }
        me.until_blocked("waiter", calls);
        all[0]->send(SIGCONT);
        all[0]->end(6);
    });
}

void several_at_a_time(stage& s) {
    const auto all = some_children(3);
    for (std::size_t i = 0; i != all.size(); ++i)
        s.add("waiter " + std::to_string(i), [=](actor& me) {
            wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(all[i]->pid(), at, 0); });
        });
    s.add("ender", [=](actor& me) {
        for (std::size_t i = 0; i != all.size(); ++i)
            me.until_blocked("waiter " + std::to_string(i));
        for (std::size_t i = all.size(); i-- != 0;) {
            all[i]->end(static_cast<unsigned char>(i));
            me.until_ended("waiter " + std::to_string(i));
        }
    });
}

void the_last_one_by_somebody_else(stage& s) {
    const auto all = some_children(1);
    s.add("waiter",
          [=](actor& me) { wait_for(me, "wait", all, [&](int* at) { return ::wait(at); }); });
    s.add("other", [=](actor& me) {
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(-1, at, WUNTRACED); });
    });
    s.add("ender", [=](actor& me) {
        me.until_blocked("waiter");
        me.until_blocked("other");
        all[0]->end(5);
    });
}

void a_group(stage& s) {
    const auto all = some_children(2);
    const pid_t group = all[1]->pid();
    must("setpgid", ::setpgid(group, group));
    s.add("waiter", [=](actor& me) {
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(-group, at, 0); });
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(-group, at, 0); });
        wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(0, at, 0); });
    });
    // What is not of the group ends first, and is left.
    s.add("ender", [=](actor& me) {
        all[0]->end_completely(1);
        me.until_blocked("waiter");
        all[1]->end(2);
    });
}

void what_is_left_to_others(stage& s) {
    const auto all = some_children(1);
    s.add("waiter", [=](actor& me) {
        const auto pid = static_cast<id_t>(all[0]->pid());
        inspect(me, all,
                [&](siginfo_t* at) { return ::waitid(P_PID, pid, at, WEXITED | WNOWAIT); });
        inspect(me, all, [&](siginfo_t* at) { return ::waitid(P_ALL, 0, at, WEXITED | WNOWAIT); });
        inspect(me, all, [&](siginfo_t* at) { return ::waitid(P_PID, pid, at, WEXITED); });
        inspect(me, all, [&](siginfo_t* at) { return ::waitid(P_PID, pid, at, WEXITED); });
    });
    add_ender(s, all, 9);
}

void one_by_its_descriptor(stage& s) {
    const auto all = some_children(2);
    for (const unsigned flags : {0U, unsigned{O_NONBLOCK}}) {
        const auto& c = all[flags == 0 ? 0 : 1];
        const int fd = s.own(static_cast<int>(::syscall(SYS_pidfd_open, c->pid(), flags)));
        s.add(flags == 0 ? "waiter" : "asker", [=](actor& me) {
            inspect(me, all,
                    [&](siginfo_t* at) { return ::waitid(P_PIDFD, id_t(fd), at, WEXITED); });
            if (flags == 0) return;
            c->end_completely(3);
            inspect(me, all,
                    [&](siginfo_t* at) { return ::waitid(P_PIDFD, id_t(fd), at, WEXITED); });
        });
    }
    s.add("ender", [=](actor& me) {
        me.until_blocked("waiter");
        all[0]->end(2);
    });
}

void children_that_nobody_wants_to_hear_of(stage& s) {
    const auto all = some_children(2);
    for (const auto& [name, pid] : {std::pair("waiter", all[0]->pid()), std::pair("other", -1)})
        s.add(name, [=, pid = pid](actor& me) {
            wait_for(me, "waitpid", all, [&](int* at) { return ::waitpid(pid, at, 0); });
        });
    s.add("ender", [=](actor& me) {
        me.until_blocked("waiter");
        me.until_blocked("other");
        ::signal(SIGCHLD, SIG_IGN);
        for (const auto& each : all) each->end();
        me.until_ended("waiter");
        me.until_ended("other");
        ::signal(SIGCHLD, SIG_DFL);
    });
}

constexpr named_scenario scenarios[] = {
    {"one_child_by_number", one_child_by_number},
    {"any_child", any_child},
    {"what_it_used", what_it_used},
    {"wait3", wait3_too},
    {"one_that_ended_before", one_that_ended_before},
    {"one_that_was_killed", one_that_was_killed},
    {"none", none},
    {"one_that_is_told_to_nowhere", one_that_is_told_to_nowhere},
    {"one_that_does_not_end", one_that_does_not_end},
    {"one_that_stops_and_goes_on", one_that_stops_and_goes_on},
    {"several_at_a_time", several_at_a_time},
    {"a_group", a_group},
    {"what_is_left_to_others", what_is_left_to_others},
    {"one_by_its_descriptor", one_by_its_descriptor},
    {"children_that_nobody_wants_to_hear_of", children_that_nobody_wants_to_hear_of}};

class waiting_for : public ::testing::TestWithParam<named_scenario> {};

TEST_P(waiting_for, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, waiting_for, ::testing::ValuesIn(scenarios), scenario_name);

// Which of the two gets the child is nobody's promise; the other one gets ECHILD.
TEST(waiting_for_any, leaves_one_of_two_with_nothing) {
    for (const bool on_fibers : {false, true}) {
        if (on_fibers) ramie::monkey::patch_all();
        std::string transcript;
        std::thread([&] {
            ramie::run([&] {
                stage s(on_fibers);
                the_last_one_by_somebody_else(s);
                s.play();
                transcript = s.transcript();
            });
        }).join();
        EXPECT_EQ(count_of("child 0, status 1280", transcript), 1) << transcript;
        EXPECT_EQ(count_of("ECHILD", transcript), 1) << transcript;
    }
}

}  // namespace
