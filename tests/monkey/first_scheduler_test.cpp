// Patched calls before the process has its first scheduler: plain ones, of which nothing is missed
// when it comes.

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "calls.hpp"
#include "ramie/detail/scheduler_hooks.hpp"
#include "ramie/signal.hpp"
#include "support/forked.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

volatile std::sig_atomic_t handled = 0;
volatile std::sig_atomic_t was_on_fiber = 0;
void note_signal(int) {
    handled = handled + 1;
    was_on_fiber = ramie::detail::current_fiber != nullptr ? 1 : 0;
}

class before_the_first_scheduler : public ::testing::Test {
  protected:
    void SetUp() override {
        if (ramie::detail::has_had_scheduler) GTEST_SKIP() << "another test has made one";
        ramie::monkey::patch_all();
    }

    const watchdog dog_{20s};
};

TEST_F(before_the_first_scheduler, nothing_is_in_effect_and_all_is_chosen) {
    EXPECT_TRUE(ramie::monkey::is_patched("recv"));
    EXPECT_FALSE(ramie::monkey::detail::is_on(ramie::monkey::detail::family::socket));
    ramie::run([] {});
    EXPECT_TRUE(ramie::monkey::detail::is_on(ramie::monkey::detail::family::socket));
}

TEST_F(before_the_first_scheduler, what_a_descriptor_was_told_counts) {
    const ends pair = open_channel(channel::tcp);
    const ends quiet = open_channel(channel::tcp);
    const timeval soon{0, 20'000};
    must("setsockopt", ::setsockopt(pair.a, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
    must("fcntl", ::fcntl(quiet.a, F_SETFL, O_NONBLOCK));
    ramie::run([&] {
        char byte;
        EXPECT_EQ(::recv(quiet.a, &byte, 1, 0), -1);
        EXPECT_EQ(errno, EAGAIN);
        const ramie::testing::virtual_clock clock;
        EXPECT_EQ(::recv(pair.a, &byte, 1, 0), -1);
        EXPECT_EQ(errno, EAGAIN);
        EXPECT_EQ(clock.elapsed(), 20ms);
    });
    for (const int fd : {pair.a, pair.b, quiet.a, quiet.b}) ::close(fd);
}

TEST_F(before_the_first_scheduler, a_handler_is_kept_and_taken_over) {
    struct sigaction action {};
    action.sa_handler = &note_signal;
    must("sigaction", ::sigaction(SIGUSR1, &action, nullptr));
    ASSERT_NE(::signal(SIGUSR2, &note_signal), SIG_ERR);
    ::raise(SIGUSR1);
    EXPECT_EQ(handled, 1);
    ramie::run([&] {
        for (const int each : {SIGUSR1, SIGUSR2}) {
            const auto f = ramie::spawn([] {
                EXPECT_EQ(::pause(), -1);
                EXPECT_EQ(errno, EINTR);
            });
            let_others_run();
            ::raise(each);
            EXPECT_FALSE(was_on_fiber);
            f.get();
        }
        struct sigaction before {};
        must("sigaction", ::sigaction(SIGUSR1, nullptr, &before));
        EXPECT_EQ(before.sa_handler, &note_signal);
        EXPECT_EQ(::signal(SIGUSR2, SIG_DFL), &note_signal);
    });
    EXPECT_EQ(handled, 3);
    ::signal(SIGUSR1, SIG_DFL);
}

// The main thread's number, which locks go by, is another one in a child.
TEST_F(before_the_first_scheduler, a_child_knows_its_own_locks) {
    pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    const timespec past{1, 0};
    ::pthread_mutex_lock(&lock);
    EXPECT_EQ(::pthread_cond_timedwait(&never, &lock, &past), ETIMEDOUT);
    ::pthread_mutex_unlock(&lock);
    EXPECT_EQ(in_child([&] {
                  int other_fibers = 0;
                  ramie::run([&] {
                      ::pthread_mutex_lock(&lock);
                      ramie::spawn([&] { other_fibers = ::pthread_mutex_trylock(&lock); }).get();
                      ::pthread_mutex_unlock(&lock);
                  });
                  return other_fibers;
              }),
              EBUSY);
}

TEST_F(before_the_first_scheduler, a_child_may_have_it_and_its_parent_another) {
    const ends pair = open_channel(channel::tcp);
    const auto serves = [&] {
        char byte = 'a';
        ramie::run([&] {
            const auto reader = ramie::spawn([&] { must("read", ::read(pair.a, &byte, 1)); });
            let_others_run();
            must("write", ::write(pair.b, "b", 1));
            reader.get();
        });
        return static_cast<int>(byte);
    };
    EXPECT_EQ(in_child(serves), 'b');
    EXPECT_FALSE(ramie::detail::has_had_scheduler);
    EXPECT_EQ(serves(), 'b');
    ::close(pair.a);
    ::close(pair.b);
}

// What popen() opened is not for its later children, whoever opens them.
TEST_F(before_the_first_scheduler, a_command_is_known_to_those_after_it) {
    FILE* const first = ::popen("cat", "w");
    ASSERT_NE(first, nullptr);
    ramie::run([&] {
        FILE* const second = ::popen("cat", "w");
        ASSERT_NE(second, nullptr);
        EXPECT_EQ(::pclose(first), 0);
        EXPECT_EQ(::pclose(second), 0);
    });
}

TEST_F(before_the_first_scheduler, a_handled_signal_is_given_back_to_children) {
    const auto handler = ramie::on_signal(SIGTERM, [] { FAIL() << "a signal of a child"; });
    const pid_t child = must("fork", ::fork());
    if (child == 0) {
        ::raise(SIGTERM);
        ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST_F(before_the_first_scheduler, sigset_and_siginterrupt_count) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ASSERT_NE(::sigset(SIGUSR1, &note_signal), SIG_ERR);
    ASSERT_NE(::signal(SIGUSR2, &note_signal), SIG_ERR);
    EXPECT_EQ(::siginterrupt(SIGUSR2, 1), 0);
#pragma GCC diagnostic pop
    ramie::run([&] {
        const ends pair = open_channel(channel::tcp);
        for (const int each : {SIGUSR1, SIGUSR2}) {
            // Only the main fiber's calls are ended.
            const auto f = ramie::spawn([each] { ::raise(each); });
            char byte;
            EXPECT_EQ(::recv(pair.a, &byte, 1, 0), -1);
            EXPECT_EQ(errno, EINTR);
            EXPECT_FALSE(was_on_fiber);
            f.get();
        }
        ::close(pair.a);
        ::close(pair.b);
    });
    EXPECT_EQ(handled, 2);
    ::signal(SIGUSR1, SIG_DFL);
    ::signal(SIGUSR2, SIG_DFL);
}

// Fibers of a scheduler that was there first park from the moment on that the call is chosen.
TEST(after_the_first_scheduler, a_choice_is_in_effect_at_once) {
    if (ramie::monkey::is_patched("recv")) GTEST_SKIP() << "another test has patched this process";
    ramie::run([] {
        const ends pair = open_channel(channel::tcp);
        ramie::monkey::patch_all();
        char byte = 'a';
        const auto reader = ramie::spawn([&] { must("read", ::read(pair.a, &byte, 1)); });
        let_others_run();
        must("write", ::write(pair.b, "b", 1));
        reader.get();
        EXPECT_EQ(byte, 'b');
        ::close(pair.a);
        ::close(pair.b);
    });
}

}  // namespace
