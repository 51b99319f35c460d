// Signal handlers that make and close descriptors. They may have interrupted the scheduler in the
// middle of a change: whoever waits is told by the loop, afterwards.

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>
#include <vector>

#include "ramie/async_result.hpp"
#include "support/allocations.hpp"
#include "support/patched_test.hpp"
#include "support/storm.hpp"

namespace {

using namespace ramie::test;

// What the handler is to close; -1: nothing.
volatile std::sig_atomic_t victim = -1;
void close_victim(int) {
    if (victim < 0) return;
    ::close(victim);
    victim = -1;
}

class closing_handler : public patched_test {
  protected:
    void SetUp() override { ::signal(SIGUSR1, &close_victim); }
    void TearDown() override {
        ::signal(SIGUSR1, SIG_DFL);
        patched_test::TearDown();
    }

    static void close_in_handler(int fd) {
        victim = fd;
        ::raise(SIGUSR1);
        ASSERT_EQ(victim, -1);
    }

    // The loop lives.
    static void expect_at_work() {
        const ends e = open_channel(channel::tcp);
        char byte = 0;
        const auto reader = ramie::spawn([&] { EXPECT_EQ(::read(e.a, &byte, 1), 1); });
        let_others_run();
        EXPECT_EQ(::write(e.b, "x", 1), 1);
        reader.get();
        EXPECT_EQ(byte, 'x');
        for (const int fd : {e.a, e.b}) ::close(fd);
    }
};

// The usual case: SIGTERM closes the listener.
TEST_F(closing_handler, ends_an_accept) {
    const int listener = open_listener(AF_INET, 8);
    const auto acceptor = ramie::spawn([=] {
        EXPECT_EQ(::accept(listener, nullptr, nullptr), -1);
        EXPECT_EQ(errno, EBADF);
    });
    let_others_run();
    EXPECT_FALSE(acceptor.ready());
    close_in_handler(listener);
    acceptor.get();
    expect_at_work();
}

TEST_F(closing_handler, ends_what_waits_in_every_direction) {
    for (const channel c : {channel::tcp, channel::unix_stream, channel::udp, channel::pipe}) {
        const ends e = open_channel(c);
        int ended = 0;
        const auto wait = [&](short events) {
            pollfd question{e.a, events, 0};
            EXPECT_EQ(::poll(&question, 1, -1), 1);
            EXPECT_EQ(question.revents, POLLNVAL);
            ++ended;
        };
        const auto poller = ramie::spawn([&] { wait(POLLIN); });
        const auto reader = ramie::spawn([&] {
            char byte;
            EXPECT_EQ(::read(e.a, &byte, 1), -1);
            EXPECT_EQ(errno, EBADF);
            ++ended;
        });
        let_others_run();
        EXPECT_EQ(ended, 0);
        close_in_handler(e.a);
        reader.get();
        poller.get();
        EXPECT_EQ(ended, 2);
        ::close(e.b);
    }
    expect_at_work();
}

// The number is another file's before the fiber hears of it.
TEST_F(closing_handler, ends_what_waits_although_the_number_is_in_use_again) {
    constexpr int number = 200;
    ends old = open_channel(channel::pipe);
    ASSERT_EQ(::fcntl(old.a, F_DUPFD_CLOEXEC, number), number);
    const auto reader = ramie::spawn([] {
        char byte;
        EXPECT_EQ(::read(number, &byte, 1), -1);
        EXPECT_EQ(errno, EBADF);
    });
    let_others_run();
    ASSERT_EQ(::write(old.b, "stale", 5), 5);
    close_in_handler(number);
    const ends fresh = open_channel(channel::pipe);
    ASSERT_EQ(::fcntl(fresh.a, F_DUPFD_CLOEXEC, number), number);
    ASSERT_EQ(::write(fresh.b, "keep", 4), 4);
    reader.get();
    char bytes[10] = {};
    EXPECT_EQ(::read(number, bytes, 9), 4);
    EXPECT_STREQ(bytes, "keep");
    for (const int fd : {old.a, old.b, fresh.a, fresh.b, number}) ::close(fd);
}

TEST_F(closing_handler, keeps_the_errno_of_what_it_interrupts) {
    const ends e = open_channel(channel::pipe);
    const auto reader = ramie::spawn([&] {
        char byte;
        EXPECT_EQ(::read(e.a, &byte, 1), -1);
    });
    let_others_run();
    errno = ENOTTY;
    close_in_handler(e.a);
    EXPECT_EQ(errno, ENOTTY);
    reader.get();
    ::close(e.b);
}

// --- at any time -----------------------------------------------------------------------------

void close_and_make_some(int signal) {
    close_victim(signal);
    int fds[2];
    if (::pipe(fds) != 0) return;
    const int copy = ::dup(fds[0]);
    ::dup2(fds[1], copy);
    for (const int fd : {fds[0], fds[1], copy}) ::close(fd);
}

void pass_bytes(const ends& e, int rounds) {
    const auto echo = ramie::spawn([&] {
        char byte;
        while (::read(e.a, &byte, 1) == 1) EXPECT_EQ(::write(e.a, &byte, 1), 1);
    });
    set_timeout(e.b, SO_RCVTIMEO, 15'000'000);
    for (int i = 0; i != rounds; ++i) {
        const char sent = static_cast<char>(i);
        char got = 0;
        EXPECT_EQ(::write(e.b, &sent, 1), 1);
        ASSERT_EQ(::read(e.b, &got, 1), 1) << errno;
        ASSERT_EQ(got, sent);
    }
    ::shutdown(e.b, SHUT_WR);
    echo.get();
    for (const int fd : {e.a, e.b}) ::close(fd);
}

void wait_for_closes(int rounds) {
    for (int i = 0; i != rounds; ++i) {
        const ends e = open_channel(i % 2 == 0 ? channel::pipe : channel::pair);
        victim = e.a;
        char byte;
        EXPECT_EQ(::read(e.a, &byte, 1), -1);
        EXPECT_EQ(errno, EBADF);
        ::close(e.b);
    }
}

// The scheduler is in the middle of a switch as often as can be.
TEST_F(closing_handler, may_run_at_any_time) {
    bool done = false;
    const auto switches = [&] {
        while (!done) ramie::this_fiber::yield();
    };
    const std::vector yielding{ramie::spawn(switches), ramie::spawn(switches)};
    {
        const signal_storm storm(&close_and_make_some);
        const auto closes = ramie::spawn([] { wait_for_closes(400); });
        const auto more = ramie::spawn([] { pass_bytes(open_channel(channel::tcp), 2'000); });
        const auto most = ramie::spawn([] { pass_bytes(open_channel(channel::pair), 2'000); });
        for (const auto& each : {closes, more, most}) each.get();
    }
    done = true;
    for (const auto& each : yielding) each.get();
    expect_at_work();
}

// --- without memory or locks -----------------------------------------------------------------

std::size_t asked_for = 0;
int far_away = -1;

// On numbers of which nothing is known, and on one that a loop of another thread watches.
void make_and_close(int) {
    const auto before = allocations();
    const int event = ::eventfd(0, EFD_CLOEXEC);
    const int far = ::fcntl(event, F_DUPFD_CLOEXEC, far_away);
    ::dup2(event, far + 1);
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) == 0)
        for (const int fd : fds) ::close(fd);
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::close_range(static_cast<unsigned>(far), static_cast<unsigned>(far) + 1, 0);
    for (const int fd : {event, socket}) ::close(fd);
    if (victim >= 0) ::close(victim);
    asked_for += allocations() - before;
}

class noted_without_memory : public closing_handler {
  protected:
    void SetUp() override {
        closing_handler::SetUp();
        ::signal(SIGUSR2, &make_and_close);
        // Beyond what is in the table yet.
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_max < 9'000) GTEST_SKIP() << "too few descriptors are allowed";
        limit.rlim_cur = 9'000;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        far_away = 8'500;
        asked_for = 0;
    }
    void TearDown() override {
        ::signal(SIGUSR2, SIG_DFL);
        closing_handler::TearDown();
    }
};

TEST_F(noted_without_memory, are_descriptors_in_a_handler) {
    const ends e = open_channel(channel::pipe);
    ramie::async_result<> waiting;
    ramie::async_result<> told;
    std::thread other([&] {
        ramie::run([&] {
            const auto reader = ramie::spawn([&] {
                char byte;
                EXPECT_EQ(::read(e.a, &byte, 1), -1);
                EXPECT_EQ(errno, EBADF);
            });
            let_others_run();
            waiting.set();
            reader.get();
        });
        told.set();
    });
    waiting.get();
    victim = e.a;
    ::raise(SIGUSR2);
    victim = -1;
    told.get();
    other.join();
    EXPECT_EQ(asked_for, 0U);
    ::close(e.b);
}

TEST_F(noted_without_memory, are_descriptors_on_a_plain_thread) {
    std::thread([] { make_and_close(0); }).join();
    EXPECT_EQ(asked_for, 0U);
}

}  // namespace
