// One listener, inherited by two processes whose fibers accept from it. Each connection is taken
// once, and no process is held up by what the other one took.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <ostream>

#include "accept.hpp"
#include "ramie/fiber.hpp"
#include "ramie/monkey.hpp"
#include "ramie/run.hpp"
#include "support/channels.hpp"

namespace {

using namespace ramie::test;

// --- the processes that accept ---------------------------------------------------------------

// Tells its answer: the number that the peer sent, or the error as a negative one.
void accept_for_ever(int listener, int answers) {
    for (;;) {
        const int fd = ::accept(listener, nullptr, nullptr);
        int number = fd < 0 ? -errno : 0;
        if (fd >= 0) must("recv", ::recv(fd, &number, sizeof number, MSG_WAITALL));
        must("write", ::write(answers, &number, sizeof number));
        if (fd < 0) return;
        ::close(fd);
    }
}

// The fiber that goes on while the others wait: it sends back what it gets, and ends with the test.
void echo(int control) {
    char byte = 0;
    while (::read(control, &byte, 1) == 1) must("write", ::write(control, &byte, 1));
}

class worker {
  public:
    worker(int listener, int answers) {
        int control[2];
        must("socketpair", ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control));
        control_ = control[0];
        process_ = must("fork", ::fork());
        if (process_ != 0) {
            ::close(control[1]);
            return;
        }
        ::close(control[0]);
        work(listener, answers, control[1]);
    }
    ~worker() {
        ::close(control_);
        ::waitpid(process_, nullptr, 0);
    }
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    // False when its thread is held up in a call.
    [[nodiscard]] bool is_alive() const {
        char byte = 'x';
        must("write", ::write(control_, &byte, 1));
        pollfd answer{control_, POLLIN, 0};
        const bool answered = ::poll(&answer, 1, 5'000) == 1 && ::read(control_, &byte, 1) == 1;
        if (!answered) ::kill(process_, SIGKILL);
        return answered;
    }

  private:
    [[noreturn]] static void work(int listener, int answers, int control) {
        ramie::monkey::patch_all();
        ramie::run([=] {
            for (int i = 0; i != 2; ++i) ramie::spawn([=] { accept_for_ever(listener, answers); });
            echo(control);
            ::_exit(0);
        });
        ::_exit(1);
    }

    int control_ = -1;
    pid_t process_ = -1;
};

// --- the test --------------------------------------------------------------------------------

struct way {
    const char* name;
    int domain;
    bool by_ring;
    bool patched_before;  // else in the children only
};

void PrintTo(const way& w, std::ostream* out) { *out << w.name; }

class inherited_listener : public ::testing::TestWithParam<way> {
  protected:
    void SetUp() override {
        ramie::monkey::detail::forbid_ring_for_accept(!GetParam().by_ring);
        if (GetParam().patched_before) {
            ramie::monkey::patch_all();
            ramie::run([] {});  // with the first scheduler it takes effect
        }
        listener_ = open_listener(GetParam().domain, 64);
        must("pipe", ::pipe2(answers_.data(), O_CLOEXEC));
    }
    void TearDown() override {
        for (const int fd : {listener_, answers_[0], answers_[1]}) ::close(fd);
        ramie::monkey::detail::forbid_ring_for_accept(false);
    }

    void connect_as(int number) const {
        const address at = address_of(listener_);
        const int fd = must("socket", ::socket(at.storage.ss_family, SOCK_STREAM, 0));
        must("connect", ::connect(fd, at.get(), at.length));
        must("send", ::send(fd, &number, sizeof number, 0));
        ::close(fd);
    }

    // The next one; INT_MIN when none comes.
    [[nodiscard]] int answer() const {
        int number = INT_MIN;
        pollfd readable{answers_[0], POLLIN, 0};
        if (::poll(&readable, 1, 5'000) == 1)
            must("read", ::read(answers_[0], &number, sizeof number));
        return number;
    }

    int listener_ = -1;
    std::array<int, 2> answers_{};
};

TEST_P(inherited_listener, gives_each_connection_to_one_process) {
    const worker first(listener_, answers_[1]);
    const worker second(listener_, answers_[1]);
    for (int i = 0; i != 100; ++i) {
        connect_as(i);
        ASSERT_EQ(answer(), i);
        ASSERT_TRUE(first.is_alive());
        ASSERT_TRUE(second.is_alive());
    }
}

TEST_P(inherited_listener, gives_many_at_once_to_all) {
    const worker first(listener_, answers_[1]);
    const worker second(listener_, answers_[1]);
    std::array<int, 200> taken{};
    for (int i = 0; i != 200; i += 20) {
        for (int j = i; j != i + 20; ++j) connect_as(j);
        for (int j = 0; j != 20; ++j) {
            const int number = answer();
            ASSERT_GE(number, 0);
            ++taken[static_cast<std::size_t>(number)];
        }
        ASSERT_TRUE(first.is_alive() && second.is_alive());
    }
    EXPECT_EQ(taken, ([] {
                  std::array<int, 200> once{};
                  once.fill(1);
                  return once;
              }()));
}

// Who asks for it gets EAGAIN in every process.
TEST_P(inherited_listener, is_non_blocking_when_its_owner_says_so) {
    const worker first(listener_, answers_[1]);
    connect_as(1);
    ASSERT_EQ(answer(), 1);
    ASSERT_TRUE(first.is_alive());  // and so waits again
    must("fcntl", ::fcntl(listener_, F_SETFL, O_NONBLOCK));
    const worker second(listener_, answers_[1]);
    for (int i = 0; i != 2; ++i) EXPECT_EQ(answer(), -EAGAIN);
    connect_as(2);
    EXPECT_EQ(answer(), 2);
    EXPECT_EQ(answer(), -EAGAIN);
}

const way ways[] = {
    {"tcp_by_ring", AF_INET, true, true},
    {"unix_by_ring", AF_UNIX, true, true},
    {"tcp_without_ring", AF_INET, false, true},
    {"unix_without_ring", AF_UNIX, false, true},
    {"patched_late_by_ring", AF_INET, true, false},
    {"patched_late_without_ring", AF_INET, false, false},
};

INSTANTIATE_TEST_SUITE_P(, inherited_listener, ::testing::ValuesIn(ways),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
