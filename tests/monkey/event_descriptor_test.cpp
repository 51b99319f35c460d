// eventfd, timerfd, signalfd and ttys, which are read and written like pipes, compared with the
// kernel.

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <limits>
#include <memory>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

int open_event(stage& s, unsigned value, int flags = 0) {
    return s.own(must("eventfd", ::eventfd(value, flags | EFD_CLOEXEC)));
}

void read_event(actor& me, int fd) {
    std::uint64_t value = 0;
    me.call("read", [&] { return ::read(fd, &value, sizeof value); });
    me.log("value " + std::to_string(value));
}

void write_event(actor& me, int fd, std::uint64_t value) {
    me.call("write", [&] { return ::write(fd, &value, sizeof value); });
}

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max() - 1;

void an_eventfd_is_read(stage& s) {
    const int fd = open_event(s, 3);
    const int semaphore = open_event(s, 2, EFD_SEMAPHORE);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) read_event(me, fd);
        for (int i = 0; i != 3; ++i) read_event(me, semaphore);
        me.log_mode(fd);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader", 1);
        write_event(me, fd, 5);
        me.until_blocked("reader");
        write_event(me, semaphore, 1);
    });
}

// By the functions of its own, which call libc's read and write.
void an_eventfd_is_read_by_name(stage& s) {
    const int fd = open_event(s, 0);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) {
            eventfd_t value = 0;
            me.call("eventfd_read", [&] { return ::eventfd_read(fd, &value); });
            me.log("value " + std::to_string(value));
        }
    });
    s.add("writer", [=](actor& me) {
        for (eventfd_t value = 5; value != 7; ++value) {
            me.until_blocked("reader");
            me.call("eventfd_write", [=] { return ::eventfd_write(fd, value); });
        }
        me.call("eventfd_write", [=] { return ::eventfd_write(fd, most + 1); });
    });
}

void an_eventfd_that_must_not_wait(stage& s) {
    const int fd = open_event(s, 0, EFD_NONBLOCK);
    s.add("caller", [=](actor& me) {
        read_event(me, fd);
        write_event(me, fd, most);
        write_event(me, fd, 1);
        read_event(me, fd);
        char small[4];
        me.call("read", [&] { return ::read(fd, small, sizeof small); });
        write_event(me, fd, most + 1);
    });
}

// Full for what is written, though it says that it is writable.
void an_eventfd_is_written_when_it_has_room(stage& s) {
    const int fd = open_event(s, 0);
    s.add("writer", [=](actor& me) {
        write_event(me, fd, most - 5);
        write_event(me, fd, 10);
        write_event(me, fd, most - 10);
        write_event(me, fd, 1);
        me.log_mode(fd);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        read_event(me, fd);
        me.until_blocked("writer", 3);
        read_event(me, fd);
    });
}

void a_timerfd_is_read(stage& s) {
    const int fd = s.own(must("timerfd", ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)));
    s.add("caller", [=](actor& me) {
        const itimerspec once{{}, {0, 30'000'000}};
        must("settime", ::timerfd_settime(fd, 0, &once, nullptr));
        me.takes_at_least(30ms, [&] { read_event(me, fd); });
        me.log_mode(fd);
        must("fcntl", ::fcntl(fd, F_SETFL, O_NONBLOCK));
        read_event(me, fd);
    });
}

// It tells of what is pending for the thread that reads it.
void a_signalfd_is_read(stage& s) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    const auto reader = std::make_shared<std::atomic<pthread_t>>();
    const int fd = s.own(must("signalfd", ::signalfd(-1, &wanted, SFD_CLOEXEC)));
    const auto read_signal = [=](actor& me) {
        signalfd_siginfo info{};
        me.call("read", [&] { return ::read(fd, &info, sizeof info); });
        me.log("signal " + std::to_string(info.ssi_signo));
    };
    s.add("reader", [=](actor& me) {
        ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
        *reader = ::pthread_self();
        for (int i = 0; i != 2; ++i) read_signal(me);
        me.log_mode(fd);
        must("fcntl", ::fcntl(fd, F_SETFL, O_NONBLOCK));
        read_signal(me);
        ::pthread_sigmask(SIG_UNBLOCK, &wanted, nullptr);
    });
    s.add("sender", [=](actor& me) {
        for (int i = 0; i != 2; ++i) {
            me.until_blocked("reader");
            ::pthread_kill(*reader, SIGUSR1);
        }
    });
}

struct terminal {
    explicit terminal(stage& s) {
        must("openpty", ::openpty(&outer, &inner, nullptr, nullptr, nullptr));
        s.own(outer);
        s.own(inner);
        termios raw{};
        must("tcgetattr", ::tcgetattr(inner, &raw));
        ::cfmakeraw(&raw);
        must("tcsetattr", ::tcsetattr(inner, TCSANOW, &raw));
    }
    int outer = -1;
    int inner = -1;
};

void a_tty_is_read(stage& s) {
    const terminal tty(s);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(receiver::read, tty.inner, 3);
        me.log_mode(tty.inner);
    });
    s.add("typist", [=](actor& me) {
        me.until_blocked("reader");
        me.send(sender::write, tty.outer, "hello");
    });
}

void a_tty_is_written_until_all_is_out(stage& s) {
    const terminal tty(s);
    constexpr std::size_t size = 200'000;
    s.add("writer", [=](actor& me) {
        me.send(sender::write, tty.inner, std::string(size, 'x'));
        me.log_mode(tty.inner);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        std::string piece(4096, '.');
        std::size_t all = 0;
        while (all != size)
            all += static_cast<std::size_t>(must("read", ::read(tty.outer, piece.data(), 4096)));
        me.log(std::to_string(all) + " bytes");
    });
}

void a_file_is_read_and_written(stage& s) {
    const int null = s.own(must("open", ::open("/dev/null", O_RDWR | O_CLOEXEC)));
    const int zero = s.own(must("open", ::open("/dev/zero", O_RDWR | O_CLOEXEC)));
    const int random = s.own(must("open", ::open("/dev/urandom", O_RDONLY | O_CLOEXEC)));
    const int directory = s.own(must("open", ::open("/", O_RDONLY | O_CLOEXEC)));
    s.add("caller", [=](actor& me) {
        for (const receiver by : {receiver::read, receiver::readv})
            for (const int fd : {null, zero, directory}) me.receive(by, fd, 10);
        for (const sender by : {sender::write, sender::writev})
            for (const int fd : {null, zero, directory}) me.send(by, fd, "hello");
        char bytes[8];
        me.call("read", [&] { return ::read(random, bytes, sizeof bytes); });
    });
}

const named_scenario scenarios[] = {
    {"an_eventfd_is_read", an_eventfd_is_read},
    {"an_eventfd_is_read_by_name", an_eventfd_is_read_by_name},
    {"an_eventfd_that_must_not_wait", an_eventfd_that_must_not_wait},
    {"an_eventfd_is_written_when_it_has_room", an_eventfd_is_written_when_it_has_room},
    {"a_timerfd_is_read", a_timerfd_is_read},
    {"a_signalfd_is_read", a_signalfd_is_read},
    {"a_tty_is_read", a_tty_is_read},
    {"a_tty_is_written_until_all_is_out", a_tty_is_written_until_all_is_out},
    {"a_file_is_read_and_written", a_file_is_read_and_written},
};

class event_descriptors : public ::testing::TestWithParam<named_scenario> {};

TEST_P(event_descriptors, are_what_the_kernel_makes_them) {
    expect_same_as_kernel(GetParam().prepare);
}

INSTANTIATE_TEST_SUITE_P(, event_descriptors, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
