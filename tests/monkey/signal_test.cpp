// A signal's handler runs at once while fibers wait, and of their calls it ends that of the main
// fiber, if any.

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "support/patched_test.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;

volatile std::sig_atomic_t signals = 0;

class a_signal : public patched_test, public ::testing::WithParamInterface<waiting_call> {
  protected:
    void SetUp() override {
        struct sigaction action {};
        action.sa_handler = [](int) { signals = signals + 1; };  // without SA_RESTART
        ASSERT_EQ(::sigaction(SIGUSR1, &action, &before_), 0);
        signals = 0;
    }
    void TearDown() override {
        ::sigaction(SIGUSR1, &before_, nullptr);
        patched_test::TearDown();
    }

  private:
    struct sigaction before_ {};
};

TEST_P(a_signal, does_not_end_a_call_of_a_fiber) {
    site s(GetParam());
    const auto waiting = ramie::spawn([&] { return outcome_of(GetParam(), s); });
    let_others_run();
    for (int i = 0; i != 3; ++i) {
        ::raise(SIGUSR1);
        let_others_run();
    }
    EXPECT_EQ(signals, 3);
    EXPECT_FALSE(waiting.ready());
    // The whole thread waits now, and is interrupted.
    std::thread other([thread = ::pthread_self()] { ::pthread_kill(thread, SIGUSR1); });
    while (signals != 4) ramie::this_fiber::sleep_for(std::chrono::milliseconds(1));
    other.join();
    GetParam().end(s);
    EXPECT_EQ(waiting.get(), GetParam().error);
}

// As it ends that of a thread.
TEST_P(a_signal, ends_the_wait_of_the_main_fiber) {
    site s(GetParam());
    const auto other = ramie::spawn([] { ::raise(SIGUSR1); });
    EXPECT_EQ(outcome_of(GetParam(), s), EINTR);
    EXPECT_EQ(signals, 1);
    other.get();
    // It is told once: calls wait again.
    const auto ender = ramie::spawn([&] {
        let_others_run();
        GetParam().end(s);
    });
    EXPECT_EQ(outcome_of(GetParam(), s), GetParam().error);
    ender.get();
}

// A call that would be restarted waits on; poll() and its like never are.
TEST_P(a_signal, with_restart_ends_what_never_restarts) {
    struct sigaction action {};
    action.sa_handler = [](int) { signals = signals + 1; };
    action.sa_flags = SA_RESTART;
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    site s(GetParam());
    const auto other = ramie::spawn([&] {
        ::raise(SIGUSR1);
        let_others_run();
        ramie::this_fiber::sleep_for(std::chrono::milliseconds(1));
        GetParam().end(s);
    });
    EXPECT_EQ(outcome_of(GetParam(), s), GetParam().restarts ? GetParam().error : EINTR);
    EXPECT_EQ(signals, 1);
    other.get();
}

// What ran before the call has nothing to do with it.
TEST_P(a_signal, before_the_wait_ends_nothing) {
    site s(GetParam());
    const auto other = ramie::spawn([&] {
        let_others_run();
        GetParam().end(s);
    });
    ::raise(SIGUSR1);
    EXPECT_EQ(outcome_of(GetParam(), s), GetParam().error);
    EXPECT_EQ(signals, 1);
    other.get();
}

class a_signal_of_a_child : public patched_test {
  protected:
    void SetUp() override {
        struct sigaction action {};
        action.sa_handler = [](int) { signals = signals + 1; };  // without SA_RESTART
        ASSERT_EQ(::sigaction(SIGCHLD, &action, &before_), 0);
        signals = 0;
    }
    void TearDown() override {
        ::sigaction(SIGCHLD, &before_, nullptr);
        patched_test::TearDown();
    }

  private:
    struct sigaction before_ {};
};

// The kernel looks for the child before it looks for the signal.
TEST_F(a_signal_of_a_child, comes_after_the_child) {
    for (const bool is_any : {false, true}) {
        const child c;
        const auto ender = ramie::spawn([&] { c.end(); });
        EXPECT_EQ(::waitpid(is_any ? -1 : c.pid(), nullptr, 0), c.pid());
        ender.get();
    }
    EXPECT_EQ(signals, 2);
}

INSTANTIATE_TEST_SUITE_P(, a_signal, ::testing::ValuesIn(waiting_calls()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

}  // namespace
