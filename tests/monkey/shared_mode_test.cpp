// Terminals, FIFOs and event descriptors that several processes use at once: nobody ever sees
// another mode than their owner's, and nothing is lost.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "ramie/fiber.hpp"
#include "ramie/monkey.hpp"
#include "ramie/run.hpp"
#include "support/channels.hpp"
#include "support/temporary.hpp"

namespace {

using namespace ramie::test;

constexpr int workers = 2;

// Processes whose fibers all do the same.
class crew {
  public:
    explicit crew(const std::function<bool()>& work) {
        for (pid_t& each : pids_) {
            each = must("fork", ::fork());
            if (each != 0) continue;
            ramie::monkey::patch_all();
            bool done = false;
            ramie::run([&] { done = ramie::spawn(work).get(); });
            ::_exit(done ? 0 : 1);
        }
    }
    ~crew() {
        for (const pid_t each : pids_) {
            int status = -1;
            EXPECT_EQ(::waitpid(each, &status, 0), each);
            EXPECT_EQ(status, 0);
        }
    }
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;

  private:
    pid_t pids_[workers];
};

// Looks at the mode of `shared` at each piece; false when none comes for long.
bool take(int from, char* piece, std::size_t size, std::size_t& taken, int shared) {
    EXPECT_EQ(::fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
    pollfd readable{from, POLLIN, 0};
    if (::poll(&readable, 1, 10'000) != 1) return false;
    const ssize_t n = ::read(from, piece, size);
    if (n > 0) taken += static_cast<std::size_t>(n);
    return n > 0;
}

struct terminal {
    terminal() {
        must("openpty", ::openpty(&outer, &inner, nullptr, nullptr, nullptr));
        termios raw{};
        must("tcgetattr", ::tcgetattr(inner, &raw));
        ::cfmakeraw(&raw);
        must("tcsetattr", ::tcsetattr(inner, TCSANOW, &raw));
    }
    ~terminal() {
        for (const int fd : {outer, inner}) ::close(fd);
    }
    int outer = -1;
    int inner = -1;
};

constexpr std::size_t records = 2'000;
const std::string record(100, 'x');

bool write_records(int fd) {
    for (std::size_t i = 0; i != records; ++i)
        if (::write(fd, record.data(), record.size()) != static_cast<ssize_t>(record.size()))
            return false;
    return true;
}

void expect_all_arrives(int from, int to) {
    const crew writers([=] { return write_records(to); });
    std::size_t taken = 0;
    char piece[1'000];
    while (taken != workers * records * record.size())
        ASSERT_TRUE(take(from, piece, sizeof piece, taken, to)) << taken;
    EXPECT_EQ(::fcntl(to, F_GETFL) & O_NONBLOCK, 0);
}

TEST(a_shared_terminal, takes_all_that_is_written) {
    const terminal tty;
    expect_all_arrives(tty.outer, tty.inner);
}

// This side cannot be opened again.
TEST(a_shared_terminal, takes_all_that_is_written_from_outside) {
    const terminal tty;
    expect_all_arrives(tty.inner, tty.outer);
}

TEST(a_shared_event_descriptor, counts_all) {
    const int fd = must("eventfd", ::eventfd(0, EFD_CLOEXEC));
    constexpr eventfd_t each = 3;
    const crew writers([=] {
        for (std::size_t i = 0; i != records; ++i)
            if (::eventfd_write(fd, each) != 0) return false;
        return true;
    });
    eventfd_t sum = 0;
    while (sum != workers * records * each) {
        eventfd_t value = 0;
        std::size_t taken = 0;
        ASSERT_TRUE(take(fd, reinterpret_cast<char*>(&value), sizeof value, taken, fd)) << sum;
        sum += value;
    }
    ::close(fd);
}

TEST(a_shared_fifo, is_read_by_all_to_its_end) {
    const std::string name = temporary_name();
    must("mkfifo", ::mkfifo(name.c_str(), 0600));
    const int holder = must("open", ::open(name.c_str(), O_RDWR | O_CLOEXEC));
    const int reading = must("open", ::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    const int writing = must("open", ::open(name.c_str(), O_WRONLY | O_CLOEXEC));
    ::close(holder);
    int answers[2];
    must("pipe", ::pipe2(answers, O_CLOEXEC));
    {
        const crew readers([=] {
            ::close(writing);
            std::size_t taken = 0;
            char piece[1'000];
            ssize_t n;
            while ((n = ::read(reading, piece, sizeof piece)) > 0)
                taken += static_cast<std::size_t>(n);
            return n == 0 && ::write(answers[1], &taken, sizeof taken) == sizeof taken;
        });
        for (std::size_t i = 0; i != records; ++i) {
            EXPECT_EQ(::fcntl(reading, F_GETFL) & O_NONBLOCK, 0);
            must("write", ::write(writing, record.data(), record.size()));
        }
        ::close(writing);
    }
    std::size_t all = 0;
    for (int i = 0; i != workers; ++i) {
        std::size_t taken = 0;
        must("read", ::read(answers[0], &taken, sizeof taken));
        all += taken;
    }
    EXPECT_EQ(all, records * record.size());
    for (const int fd : {reading, answers[0], answers[1]}) ::close(fd);
    ::unlink(name.c_str());
}

}  // namespace
