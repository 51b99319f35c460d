// What fibers that wait for children have beside what the kernel does.

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

using waiting_fibers = patched_test;

TEST_F(waiting_fibers, get_a_child_each) {
    const auto all = some_children(20);
    std::vector<pid_t> got;
    std::vector<ramie::fiber<>> waiting;
    for (std::size_t i = 0; i != all.size(); ++i)
        waiting.push_back(ramie::spawn([&got, i] {
            int status = 0;
            // Some ask in another way, and so are told by another thread.
            const pid_t pid = ::waitpid(-1, &status, i % 2 == 0 ? 0 : WUNTRACED);
            if (WIFEXITED(status) && WEXITSTATUS(status) == 1) got.push_back(pid);
        }));
    let_others_run();
    for (const auto& each : all) each->end(1);
    ramie::join_all(waiting);
    std::ranges::sort(got);
    EXPECT_EQ(std::adjacent_find(got.begin(), got.end()), got.end());
    EXPECT_EQ(got.size(), all.size());
}

TEST_F(waiting_fibers, let_the_others_run) {
    const auto all = some_children(10);
    std::vector<ramie::fiber<>> waiting;
    for (const auto& each : all)
        waiting.push_back(ramie::spawn([&each] {
            int status = 0;
            EXPECT_EQ(::waitpid(each->pid(), &status, 0), each->pid());
            EXPECT_EQ(WEXITSTATUS(status), 4);
        }));
    let_others_run();
    for (const auto& each : all) {
        EXPECT_FALSE(waiting[0].ready() && each == all[0]);
        each->end(4);
    }
    ramie::join_all(waiting);
}

TEST_F(waiting_fibers, are_killed_and_leave_the_child_to_others) {
    const auto all = some_children(1);
    for (const pid_t pid : {all[0]->pid(), -1}) {
        int error = 0;
        pid_t result = 0;
        auto waiting = ramie::spawn([&] {
            result = ::waitpid(pid, nullptr, 0);
            error = errno;
        });
        let_others_run();
        waiting.kill();
        EXPECT_EQ(result, -1);
        EXPECT_EQ(error, ECANCELED);
    }
    all[0]->end(2);
    int status = 0;
    EXPECT_EQ(::wait(&status), all[0]->pid());
    EXPECT_EQ(WEXITSTATUS(status), 2);
}

TEST_F(waiting_fibers, time_out) {
    const auto all = some_children(1);
    for (const pid_t pid : {all[0]->pid(), -1}) {
        EXPECT_THROW(
            {
                const ramie::timeout limit(5ms);
                EXPECT_EQ(::waitpid(pid, nullptr, 0), -1);
                EXPECT_EQ(errno, ETIMEDOUT);
                ramie::this_fiber::sleep_for(1h);
            },
            ramie::timeout_expired);
    }
    all[0]->end();
    EXPECT_EQ(::wait(nullptr), all[0]->pid());
}

// A zombie that is another one's business makes waitid(P_ALL) return at once, for ever.
TEST_F(waiting_fibers, do_not_spin_because_of_a_child_that_they_do_not_want) {
    const auto all = some_children(2);
    must("setpgid", ::setpgid(all[0]->pid(), all[0]->pid()));
    all[1]->end_completely();
    auto waiting = ramie::spawn([&] { return ::waitpid(-all[0]->pid(), nullptr, 0); });
    let_others_run();
    const auto used = [] {
        timespec t{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return t.tv_sec * 1'000'000'000 + t.tv_nsec;
    };
    const auto polls = ramie::stats().polls;
    const auto before = used();
    ramie::this_fiber::sleep_for(100ms);
    EXPECT_LT(used() - before, 50'000'000);
    EXPECT_LT(ramie::stats().polls - polls, 20U);
    EXPECT_FALSE(waiting.ready());
    all[0]->end();
    EXPECT_EQ(waiting.get(), all[0]->pid());
    EXPECT_EQ(::wait(nullptr), all[1]->pid());
}

TEST_F(waiting_fibers, work_in_a_child_too) {
    EXPECT_EQ(in_child([] {
                  const child inner;
                  ramie::spawn([&] { inner.end(3); });
                  int status = 0;
                  return ::wait(&status) == inner.pid() ? WEXITSTATUS(status) : 1;
              }),
              3);
}

}  // namespace
