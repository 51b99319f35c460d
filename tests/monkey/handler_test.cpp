// Where a signal's handler runs on a thread with fibers, and what the program sees of its
// installation.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

volatile std::sig_atomic_t signals = 0;
void count(int) { signals = signals + 1; }
void count_with_info(int, siginfo_t* info, void*) { signals = signals + info->si_signo; }

struct sigaction action_of(void (*handler)(int), int flags = 0) {
    struct sigaction made {};
    made.sa_handler = handler;
    made.sa_flags = flags;
    return made;
}

class a_handler : public patched_test {
  protected:
    void SetUp() override { signals = 0; }
    void TearDown() override {
        ::signal(SIGUSR1, SIG_DFL);
        patched_test::TearDown();
    }
};

TEST_F(a_handler, is_shown_as_it_was_installed) {
    struct sigaction before {};
    const auto first = action_of(&count, SA_RESTART);
    ASSERT_EQ(::sigaction(SIGUSR1, &first, nullptr), 0);
    ASSERT_EQ(::sigaction(SIGUSR1, nullptr, &before), 0);
    EXPECT_EQ(before.sa_handler, &count);
    EXPECT_EQ(before.sa_flags & (SA_RESTART | SA_SIGINFO | SA_ONSTACK), SA_RESTART);
    struct sigaction second {};
    second.sa_sigaction = &count_with_info;
    second.sa_flags = SA_SIGINFO;
    ASSERT_EQ(::sigaction(SIGUSR1, &second, &before), 0);
    EXPECT_EQ(before.sa_handler, &count);
    ::raise(SIGUSR1);
    EXPECT_EQ(signals, SIGUSR1);
    ASSERT_EQ(::sigaction(SIGUSR1, nullptr, &before), 0);
    EXPECT_EQ(before.sa_sigaction, &count_with_info);
    EXPECT_NE(::signal(SIGUSR1, SIG_IGN), SIG_ERR);
    EXPECT_EQ(::signal(SIGUSR1, &count), SIG_IGN);
    EXPECT_EQ(::signal(SIGUSR1, &count), &count);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ASSERT_EQ(::siginterrupt(SIGUSR1, 1), 0);
#pragma GCC diagnostic pop
    ASSERT_EQ(::sigaction(SIGUSR1, nullptr, &before), 0);
    EXPECT_EQ(before.sa_flags & SA_RESTART, 0);
    errno = 0;
    EXPECT_EQ(::sigaction(SIGKILL, &first, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::sigaction(1000, &first, nullptr), -1);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
// What each call of a row returns, and whether the signal is held back after it.
std::vector<std::pair<sighandler_t, bool>> row_of_sigset(sighandler_t (*set)(int, sighandler_t)) {
    std::vector<std::pair<sighandler_t, bool>> row;
    for (const sighandler_t each : {SIG_DFL, &count, SIG_HOLD, SIG_HOLD, &count, SIG_IGN, &count,
                                    SIG_HOLD, SIG_DFL, SIG_HOLD, SIG_DFL}) {
        const sighandler_t before = set(SIGUSR1, each);
        sigset_t mask;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
        row.emplace_back(before, sigismember(&mask, SIGUSR1) == 1);
    }
    for (const int bad : {0, SIGKILL, 1000}) {
        errno = 0;
        const sighandler_t before = set(bad, &count);
        row.emplace_back(before, errno == EINVAL);
    }
    return row;
}

TEST_F(a_handler, is_installed_by_the_oldest_call_as_by_libc) {
    EXPECT_EQ(row_of_sigset(&::sigset), row_of_sigset(ramie::monkey::detail::real::sigset.get()));
    // It is put in front of, too.
    static volatile bool is_on_fiber = true;
    ::sigset(SIGUSR1, [](int) { is_on_fiber = ramie::detail::current_fiber != nullptr; });
    ::raise(SIGUSR1);
    EXPECT_FALSE(is_on_fiber);
}
#pragma GCC diagnostic pop

TEST_F(a_handler, may_be_for_once) {
    const auto once = action_of(&count, static_cast<int>(SA_RESETHAND));
    ASSERT_EQ(::sigaction(SIGURG, &once, nullptr), 0);
    ::raise(SIGURG);
    ::raise(SIGURG);  // ignored by default
    EXPECT_EQ(signals, 1);
    struct sigaction now {};
    ASSERT_EQ(::sigaction(SIGURG, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
}

// A fiber's stack may be too small for it.
TEST_F(a_handler, runs_on_the_alternate_stack) {
    static volatile bool is_on_stack = false;
    const auto action = action_of([](int) {
        stack_t now{};
        ::sigaltstack(nullptr, &now);
        is_on_stack = (now.ss_flags & SS_ONSTACK) != 0;
    });
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    ramie::spawn([] { ::raise(SIGUSR1); }).get();
    EXPECT_TRUE(is_on_stack);
}

// It has interrupted the fiber, or the scheduler: nobody else may run before it returns.
TEST_F(a_handler, never_parks) {
    const auto action = action_of([](int) {
        ::usleep(1'000);  // on a fiber it would park
        signals = signals + 1;
    });
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    bool other_ran = false;
    const auto f = ramie::spawn([&] { other_ran = true; });
    ::raise(SIGUSR1);
    EXPECT_EQ(signals, 1);
    EXPECT_FALSE(other_ran);
    // And afterwards the fiber waits as before.
    const ramie::testing::virtual_clock clock;
    ::usleep(1'000);
    EXPECT_TRUE(other_ran);
    f.get();
}

TEST_F(a_handler, may_jump_out) {
    static sigjmp_buf place;
    const auto action = action_of([](int) { ::siglongjmp(place, 1); });
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    bool other_ran = false;
    const auto f = ramie::spawn([&] { other_ran = true; });
    if (sigsetjmp(place, 1) == 0) ::raise(SIGUSR1);
    EXPECT_FALSE(other_ran);
    const ramie::testing::virtual_clock clock;
    ::usleep(1'000);
    EXPECT_TRUE(other_ran);
    f.get();
}

// The process may have them before it is patched.
TEST(a_handler_from_before, is_taken_over) {
    if (ramie::monkey::is_patched("pause")) GTEST_SKIP() << "another test has patched this process";
    ASSERT_NE(::signal(SIGUSR1, &count), SIG_ERR);
    signals = 0;
    ramie::run([] {
        ramie::monkey::patch_all();
        const auto f = ramie::spawn([] {
            EXPECT_EQ(::pause(), -1);
            EXPECT_EQ(errno, EINTR);
        });
        let_others_run();
        ::raise(SIGUSR1);
        f.get();
    });
    EXPECT_EQ(signals, 1);
    EXPECT_EQ(::signal(SIGUSR1, SIG_DFL), &count);
}

}  // namespace
