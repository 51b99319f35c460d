// A kill or a timeout that reaches a fiber inside a patched call: the call fails, the exception
// comes at the next native suspension point.

#include <poll.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

#include "ramie/timeout.hpp"
#include "support/kernel_oracle.hpp"
#include "support/patched_test.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace this_fiber = ramie::this_fiber;

using interrupting = patched_test;

class an_interrupted_call : public interrupting,
                            public ::testing::WithParamInterface<waiting_call> {
  protected:
    // Makes the call twice; the second must not wait either.
    void expect_interrupted(int error) const {
        for (int i = 0; i != 2; ++i) EXPECT_EQ(outcome_of(GetParam(), site_), error);
    }

    site site_{GetParam()};

    void TearDown() override {
        site_.close();
        interrupting::TearDown();
    }
};

TEST_P(an_interrupted_call, fails_when_its_fiber_is_killed) {
    bool went_on = false;
    const auto f = ramie::spawn([&] {
        expect_interrupted(ECANCELED);
        went_on = true;
        EXPECT_THROW(this_fiber::yield(), ramie::fiber_exit);
        this_fiber::yield();
        // It has been thrown: calls wait again.
        char byte = 0;
        const ends pipe = open_channel(channel::pipe);
        EXPECT_EQ(::write(pipe.b, "x", 1), 1);
        EXPECT_EQ(::read(pipe.a, &byte, 1), 1);
        for (const int fd : {pipe.a, pipe.b}) ::close(fd);
    });
    let_others_run();
    EXPECT_FALSE(f.ready());
    f.try_kill();
    EXPECT_TRUE(f.join(10s));
    EXPECT_TRUE(went_on);
    f.get();
}

TEST_P(an_interrupted_call, fails_when_its_time_is_over) {
    const ramie::timeout limit(10ms);
    expect_interrupted(ETIMEDOUT);
    EXPECT_TRUE(limit.expired());
    EXPECT_THROW(this_fiber::yield(), ramie::timeout_expired);
    this_fiber::yield();
}

// Leaving the scope is enough: what was not thrown is forgotten.
TEST_P(an_interrupted_call, waits_again_after_the_scope) {
    {
        const ramie::timeout limit(10ms);
        expect_interrupted(ETIMEDOUT);
    }
    const auto f = ramie::spawn([&] { return GetParam().wait(site_); });
    let_others_run();
    EXPECT_FALSE(f.ready());
    GetParam().end(site_);
    EXPECT_TRUE(f.join(10s));
}

INSTANTIATE_TEST_SUITE_P(, an_interrupted_call, ::testing::ValuesIn(waiting_calls()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

// --- what was moved before -------------------------------------------------------------------

class an_interrupted_transfer : public interrupting, public ::testing::WithParamInterface<channel> {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        interrupting::TearDown();
    }
    const ends ends_ = open_channel(GetParam());
};

TEST_P(an_interrupted_transfer, tells_what_it_has_sent) {
    const std::string much(8'000'000, 'x');
    const auto f = ramie::spawn([&] {
        const ssize_t n = ::write(ends_.b, much.data(), much.size());
        EXPECT_GT(n, 0);
        EXPECT_LT(n, static_cast<ssize_t>(much.size()));
        EXPECT_EQ(::write(ends_.b, much.data(), much.size()), -1);
        EXPECT_EQ(errno, ECANCELED);
        EXPECT_THROW(this_fiber::yield(), ramie::fiber_exit);
    });
    let_others_run();
    f.kill();
    f.get();
}

TEST_P(an_interrupted_transfer, tells_what_it_has_received) {
    if (!is_socket(GetParam())) GTEST_SKIP() << "MSG_WAITALL is for sockets";
    ASSERT_EQ(::write(ends_.b, "abc", 3), 3);
    const ramie::timeout limit(10ms);
    char bytes[10] = {};
    EXPECT_EQ(::recv(ends_.a, bytes, 9, MSG_WAITALL), 3);
    EXPECT_STREQ(bytes, "abc");
    EXPECT_EQ(::recv(ends_.a, bytes, 9, MSG_WAITALL), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
    EXPECT_THROW(this_fiber::yield(), ramie::timeout_expired);
}

// What need not wait is done all the same.
TEST_P(an_interrupted_transfer, moves_what_is_there) {
    ASSERT_EQ(::write(ends_.b, "abc", 3), 3);
    const auto f = ramie::spawn([&] {
        char bytes[10] = {};
        pollfd nothing{-1, 0, 0};
        EXPECT_EQ(::poll(&nothing, 1, -1), -1);
        EXPECT_EQ(errno, ECANCELED);
        EXPECT_EQ(::read(ends_.a, bytes, 3), 3);
        EXPECT_EQ(::write(ends_.b, "def", 3), 3);
        EXPECT_EQ(::read(ends_.a, bytes, 3), 3);
        EXPECT_EQ(::read(ends_.a, bytes, 9), -1);
        EXPECT_EQ(errno, ECANCELED);
        EXPECT_STREQ(bytes, "def");
    });
    let_others_run();
    f.kill();
    f.get();
}

// Also what has come without the loop having heard of it.
TEST_P(an_interrupted_transfer, moves_what_has_come_meanwhile) {
    const auto f = ramie::spawn([&] {
        char bytes[10] = {};
        EXPECT_EQ(::read(ends_.a, bytes, 9), 3);
        EXPECT_STREQ(bytes, "abc");
        EXPECT_EQ(::read(ends_.a, bytes, 9), -1);
        EXPECT_EQ(errno, ECANCELED);
    });
    let_others_run();
    ASSERT_EQ(::write(ends_.b, "abc", 3), 3);
    f.kill();
    f.get();
}

INSTANTIATE_TEST_SUITE_P(, an_interrupted_transfer,
                         ::testing::Values(channel::tcp, channel::pair, channel::pipe),
                         channel_name<::testing::TestParamInfo<channel>>);

// --- sleeps tell what is left ----------------------------------------------------------------

TEST_F(interrupting, a_sleep_tells_what_is_left) {
    const ramie::timeout limit(10ms);
    EXPECT_LT(::sleep(1'000), 1'000U);  // whole seconds only, as from libc
    EXPECT_EQ(errno, ETIMEDOUT);
    timespec time{1'000, 0};
    EXPECT_EQ(::nanosleep(&time, &time), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
    EXPECT_GE(time.tv_sec, 999);
    EXPECT_EQ(::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time), ETIMEDOUT);
    EXPECT_GE(time.tv_sec, 999);
}

TEST_F(interrupting, a_sleep_tells_whole_seconds_as_the_plain_call_does) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    constexpr unsigned asked = 1'000;
    unsigned plain = asked;
    std::atomic<pid_t> id{0};
    std::thread other([&] {
        id = static_cast<pid_t>(::syscall(SYS_gettid));
        plain = ramie::monkey::original::sleep(asked);
    });
    while (id == 0 || !is_blocked_in_kernel(id)) std::this_thread::yield();
    ::pthread_kill(other.native_handle(), SIGUSR1);
    other.join();
    const auto f = ramie::spawn([] { ::raise(SIGUSR1); });
    const unsigned patched = ::sleep(asked);
    EXPECT_LT(plain, asked);
    EXPECT_LT(patched, asked);
    EXPECT_GT(patched, asked / 2);
    f.get();
    ::sigaction(SIGUSR1, &before, nullptr);
}

// As in C11: -1 after a signal, something else when it failed.
TEST_F(interrupting, a_sleep_of_c11_tells_why_it_ended) {
    const timespec long_time{1'000, 0};
    timespec rest{};
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    const auto f = ramie::spawn([] { ::raise(SIGUSR1); });
    EXPECT_EQ(::thrd_sleep(&long_time, &rest), -1);
    EXPECT_GT(rest.tv_sec, 500);
    f.get();
    ::sigaction(SIGUSR1, &before, nullptr);
    const ramie::timeout limit(10ms);
    EXPECT_LT(::thrd_sleep(&long_time, nullptr), -1);
}

}  // namespace
