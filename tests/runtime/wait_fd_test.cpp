#include "ramie/wait_fd.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/fiber.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using wait_fd = ramie::test::fiber_test;
using ramie::spawn;
using ramie::wait_readable;
using ramie::wait_writable;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

// Two ends of a pipe or a socket.
class ends {
  public:
    enum kind { pipe, socket };
    explicit ends(kind k) {
        const int result = k == pipe
                               ? ::pipe2(fds_.data(), O_NONBLOCK | O_CLOEXEC)
                               : ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds_.data());
        EXPECT_EQ(result, 0);
    }
    ~ends() {
        close(0);
        close(1);
    }
    ends(const ends&) = delete;
    ends& operator=(const ends&) = delete;

    int operator[](std::size_t i) const { return fds_[i]; }
    void write() const { EXPECT_EQ(::write(fds_[1], "x", 1), 1); }
    void read() const {
        char c = 0;
        EXPECT_EQ(::read(fds_[0], &c, 1), 1);
    }
    void close(std::size_t i) {
        if (fds_[i] < 0) return;
        ramie::forget_descriptor(fds_[i]);
        ::close(fds_[i]);
        fds_[i] = -1;
    }

  private:
    std::array<int, 2> fds_{};
};

int error_number_of(int fd, ramie::deadline until = {}) {
    try {
        wait_readable(fd, until);
    } catch (const std::system_error& e) {
        EXPECT_NE(std::string(e.what()).find(std::to_string(fd)), std::string::npos);
        return e.code().value();
    }
    return 0;
}

TEST_F(wait_fd, returns_at_once_when_it_is_ready) {
    const ends p(ends::pipe);
    p.write();
    EXPECT_TRUE(wait_readable(p[0]));
    EXPECT_TRUE(wait_readable(p[0], 0s));
    EXPECT_TRUE(wait_writable(p[1]));
}

TEST_F(wait_fd, waits_until_there_is_something_and_others_go_on) {
    for (const auto kind : {ends::pipe, ends::socket}) {
        const ends p(kind);
        auto reader = spawn([&] { return wait_readable(p[0]); });
        let_others_run();
        EXPECT_FALSE(reader.ready());
        p.write();
        EXPECT_TRUE(reader.get());
        p.read();
        EXPECT_FALSE(wait_readable(p[0], 1ms));
    }
}

TEST_F(wait_fd, waits_until_there_is_room) {
    const ends p(ends::pipe);
    const std::string block(4096, 'x');
    while (::write(p[1], block.data(), block.size()) > 0) continue;
    EXPECT_FALSE(wait_writable(p[1], 1ms));
    auto writer = spawn([&] { return wait_writable(p[1]); });
    let_others_run();
    EXPECT_FALSE(writer.ready());
    std::string sink(65536, '\0');
    EXPECT_GT(::read(p[0], sink.data(), sink.size()), 0);
    EXPECT_TRUE(writer.get());
}

TEST_F(wait_fd, gives_up_at_the_deadline_and_not_earlier) {
    const ends p(ends::pipe);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(wait_readable(p[0], 20ms));
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
    EXPECT_FALSE(wait_readable(p[0], 0s));
    EXPECT_FALSE(wait_readable(p[0], -1s));
}

TEST_F(wait_fd, sees_the_end_of_the_stream) {
    ends p(ends::socket);
    auto reader = spawn([&] { return wait_readable(p[0]); });
    let_others_run();
    p.close(1);
    EXPECT_TRUE(reader.get());
    EXPECT_TRUE(wait_readable(p[0]));
    EXPECT_TRUE(wait_writable(p[0]));
}

TEST_F(wait_fd, serves_both_directions_of_one_descriptor) {
    const ends s(ends::socket);
    int size = 4096;
    ::setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    const std::string block(4096, 'x');
    while (::send(s[0], block.data(), block.size(), MSG_DONTWAIT) > 0) continue;
    auto reader = spawn([&] { return wait_readable(s[0]); });
    auto writer = spawn([&] { return wait_writable(s[0]); });
    let_others_run();
    s.write();
    EXPECT_TRUE(reader.get());
    EXPECT_FALSE(writer.ready());
    std::string sink(65536, '\0');
    while (::recv(s[1], sink.data(), sink.size(), MSG_DONTWAIT) > 0) continue;
    EXPECT_TRUE(writer.get());
}

TEST_F(wait_fd, wakes_all_who_wait_for_one_descriptor) {
    const ends p(ends::pipe);
    std::vector<ramie::fiber<bool>> readers;
    for (int i = 0; i != 10; ++i) readers.push_back(spawn([&] { return wait_readable(p[0]); }));
    let_others_run();
    p.write();
    for (const auto& r : readers) EXPECT_TRUE(r.get());
}

TEST_F(wait_fd, waits_again_when_another_took_what_was_there) {
    const ends p(ends::pipe);
    int taken = 0;
    const auto take = [&] {
        EXPECT_TRUE(wait_readable(p[0]));
        char c = 0;
        if (::read(p[0], &c, 1) == 1) ++taken;
    };
    auto first = spawn(take);
    auto second = spawn([&] {
        while (taken != 2) take();
    });
    let_others_run();
    p.write();
    first.join();
    EXPECT_EQ(taken, 1);
    let_others_run();
    EXPECT_FALSE(second.ready());
    p.write();
    second.join();
    EXPECT_EQ(taken, 2);
}

TEST_F(wait_fd, works_for_event_and_timer_descriptors) {
    const int event = ::eventfd(0, EFD_CLOEXEC);
    auto reader = spawn([&] { return wait_readable(event); });
    let_others_run();
    ::eventfd_write(event, 1);
    EXPECT_TRUE(reader.get());
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    const itimerspec soon{{0, 0}, {0, 1'000'000}};
    ::timerfd_settime(timer, 0, &soon, nullptr);
    EXPECT_TRUE(wait_readable(timer));
    for (const int fd : {event, timer}) {
        ramie::forget_descriptor(fd);
        ::close(fd);
    }
}

TEST_F(wait_fd, never_waits_for_a_regular_file) {
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    EXPECT_TRUE(wait_readable(file));
    ::close(file);
    const int directory = ::open("/", O_RDONLY | O_CLOEXEC);
    EXPECT_TRUE(wait_readable(directory));
    ::close(directory);
}

TEST_F(wait_fd, refuses_a_number_that_is_not_open) {
    ends p(ends::pipe);
    const int number = p[0];
    p.close(0);
    EXPECT_EQ(error_number_of(number), EBADF);
    EXPECT_EQ(error_number_of(-1), EBADF);
    EXPECT_EQ(error_number_of(1 << 30), EBADF);
}

TEST_F(wait_fd, ends_with_ebadf_when_the_descriptor_is_forgotten) {
    ends p(ends::pipe);
    auto reader = spawn([&, number = p[0]] { return error_number_of(number); });
    auto second = spawn([&, number = p[0]] { return error_number_of(number, 1h); });
    auto writer = spawn([&, number = p[1]] { return wait_writable(number); });
    let_others_run();
    p.close(0);
    EXPECT_EQ(reader.get(), EBADF);
    EXPECT_EQ(second.get(), EBADF);
    EXPECT_TRUE(writer.get());
}

// The number is reused at once: nothing of its past may show.
TEST_F(wait_fd, gives_a_reused_number_a_fresh_start) {
    for (int i = 0; i != 100; ++i) {
        ends old(i % 2 == 0 ? ends::pipe : ends::socket);
        const int number = old[0];
        auto reader = spawn([number] { return error_number_of(number); });
        let_others_run();
        old.write();
        old.close(0);
        const ends fresh(ends::pipe);
        ASSERT_EQ(fresh[0], number);
        EXPECT_EQ(reader.get(), EBADF);
        ASSERT_FALSE(wait_readable(fresh[0], 0s));
        fresh.write();
        ASSERT_TRUE(wait_readable(fresh[0]));
    }
}

// libc closes it without telling us, and the number comes back as another file.
TEST_F(wait_fd, survives_a_close_behind_its_back) {
    std::array<int, 2> old{};
    ASSERT_EQ(::pipe2(old.data(), O_CLOEXEC), 0);
    EXPECT_FALSE(wait_readable(old[0], 1ms));
    ::close(old[0]);
    const ends fresh(ends::pipe);
    ASSERT_EQ(fresh[0], old[0]);
    auto reader = spawn([&] { return wait_readable(fresh[0], 10s); });
    let_others_run();
    fresh.write();
    EXPECT_TRUE(reader.get());
    ::close(old[1]);
}

// The kernel drops the registration only with the last copy of the open file.
TEST_F(wait_fd, gets_no_event_of_a_closed_file_that_a_child_still_holds) {
    ends old(ends::socket);
    const int number = old[0];
    EXPECT_FALSE(wait_readable(number, 1ms));
    const ends hold(ends::pipe);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(hold[1]);
        ::fcntl(hold[0], F_SETFL, 0);
        char c = 0;
        ::_exit(static_cast<int>(::read(hold[0], &c, 1)));
    }
    old.close(0);
    const ends fresh(ends::socket);
    ASSERT_EQ(fresh[0], number);
    auto reader = spawn([&] { return wait_readable(fresh[0], 20ms); });
    let_others_run();
    const auto before = ramie::stats().polls;
    EXPECT_EQ(::send(old[1], "x", 1, MSG_NOSIGNAL), 1);
    EXPECT_FALSE(reader.get());
    EXPECT_LT(ramie::stats().polls - before, 20U);
    hold.write();
    int status = 0;
    ::waitpid(child, &status, 0);
}

TEST_F(wait_fd, can_be_killed_and_leaves_no_trace) {
    const ends p(ends::pipe);
    auto killed = spawn([&] { wait_readable(p[0]); });
    auto patient = spawn([&] { return wait_readable(p[0]); });
    let_others_run();
    EXPECT_TRUE(killed.kill());
    p.write();
    EXPECT_TRUE(patient.get());
}

TEST_F(wait_fd, is_woken_when_another_thread_forgets_the_descriptor) {
    for (int i = 0; i != 20; ++i) {
        ends p(ends::pipe);
        const int number = p[0];
        auto reader = spawn([number] { return error_number_of(number, 10s); });
        let_others_run();
        std::thread([&] { p.close(0); }).join();
        ASSERT_EQ(reader.get(), EBADF);
    }
}

TEST_F(wait_fd, serves_two_schedulers_that_wait_for_one_descriptor) {
    const ends p(ends::pipe);
    ramie::async_result<> waiting;
    std::thread other([&] {
        ramie::run([&] {
            EXPECT_FALSE(wait_readable(p[0], 0s));
            waiting.set();
            EXPECT_TRUE(wait_readable(p[0], 10s));
        });
    });
    waiting.get();
    auto reader = spawn([&] { return wait_readable(p[0], 10s); });
    let_others_run();
    p.write();
    EXPECT_TRUE(reader.get());
    other.join();
}

TEST_F(wait_fd, loses_no_event_among_many_descriptors) {
    constexpr int count = 200;
    constexpr int rounds = 50;
    std::vector<std::unique_ptr<ends>> pipes;
    std::vector<ramie::fiber<int>> readers;
    for (int i = 0; i != count; ++i) {
        pipes.push_back(std::make_unique<ends>(i % 2 == 0 ? ends::pipe : ends::socket));
        readers.push_back(spawn([&p = *pipes.back()] {
            int seen = 0;
            for (; seen != rounds; ++seen) {
                if (!wait_readable(p[0], 10s)) break;
                p.read();
            }
            return seen;
        }));
    }
    std::thread writer([&] {
        for (int r = 0; r != rounds; ++r)
            for (const auto& p : pipes) p->write();
    });
    for (const auto& r : readers) EXPECT_EQ(r.get(), rounds);
    writer.join();
}

}  // namespace
