// A timer that interrupts the process every 100 microseconds: transfers are whole, deadlines come.

#include <poll.h>
#include <sys/select.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string>

#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/patched_test.hpp"
#include "support/storm.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

void do_nothing(int) {}

class in_a_storm : public patched_test, public ::testing::WithParamInterface<channel> {
  protected:
    const ends ends_ = open_channel(GetParam());

    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        patched_test::TearDown();
    }

    static std::string bytes_of(std::size_t size) {
        std::string all(size, '\0');
        for (std::size_t i = 0; i != size; ++i) all[i] = static_cast<char>(i * 7 + i / 251);
        return all;
    }

    [[nodiscard]] ramie::fiber<> send(const std::string& all) const {
        return ramie::spawn([&, fd = ends_.b] {
            EXPECT_EQ(::write(fd, all.data(), all.size()), static_cast<ssize_t>(all.size()));
        });
    }

    // `read(piece, size)` as the call, until all is there.
    template <class Read>
    static std::string receive(std::size_t size, Read read) {
        std::string got;
        char piece[4'096];
        while (got.size() != size) {
            const ssize_t n = read(piece, sizeof piece);
            if (n <= 0) break;
            got.append(piece, static_cast<std::size_t>(n));
        }
        return got;
    }
};

TEST_P(in_a_storm, a_fiber_moves_all_bytes) {
    const signal_storm storm(&do_nothing, 0);
    const std::string all = bytes_of(2'000'000);
    const auto sender = send(all);
    const auto receiver = ramie::spawn([&] {
        const ramie::timeout limit(15s);
        return receive(all.size(), [&](char* to, std::size_t n) { return ::read(ends_.a, to, n); });
    });
    EXPECT_TRUE(receiver.get() == all);
    sender.get();
}

TEST_P(in_a_storm, the_main_fiber_moves_all_bytes) {
    const signal_storm storm(&do_nothing, 0);
    const std::string all = bytes_of(2'000'000);
    const auto sender = send(all);
    const std::string got = receive(all.size(), [&](char* to, std::size_t n) {
        ssize_t result;
        do {
            result = ::read(ends_.a, to, n);
        } while (result < 0 && errno == EINTR);
        return result;
    });
    EXPECT_TRUE(got == all);
    sender.get();
}

TEST_P(in_a_storm, deadlines_come) {
    const signal_storm storm(&do_nothing);
    const auto takes_20_ms = [](const auto& call) {
        const auto begin = steady_clock::now();
        call();
        EXPECT_GE(steady_clock::now() - begin, 20ms);
    };
    takes_20_ms([&] { EXPECT_FALSE(ramie::wait_readable(ends_.a, 20ms)); });
    const auto poller = ramie::spawn(takes_20_ms, [&] {
        pollfd question{ends_.a, POLLIN, 0};
        EXPECT_EQ(::poll(&question, 1, 20), 0);
    });
    const auto selector = ramie::spawn(takes_20_ms, [&] {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(ends_.a, &set);
        timeval limit{0, 20'000};
        EXPECT_EQ(::select(ends_.a + 1, &set, nullptr, nullptr, &limit), 0);
    });
    const auto reader = ramie::spawn(takes_20_ms, [&] {
        char byte;
        const ramie::timeout limit(20ms);
        EXPECT_EQ(::read(ends_.a, &byte, 1), -1);
        EXPECT_EQ(errno, ETIMEDOUT);
        EXPECT_THROW(ramie::this_fiber::yield(), ramie::timeout_expired);
    });
    poller.get();
    selector.get();
    reader.get();
    if (!is_socket(GetParam())) return;
    set_timeout(ends_.a, SO_RCVTIMEO, 20'000);
    const auto limited = ramie::spawn(takes_20_ms, [&] {
        char byte;
        EXPECT_EQ(::recv(ends_.a, &byte, 1, 0), -1);
        EXPECT_EQ(errno, EAGAIN);
    });
    limited.get();
}

// A look that is disturbed is no promise: libc would block the thread, and with it the writer.
TEST_P(in_a_storm, a_stream_parks) {
    const signal_storm storm(&do_nothing);
    FILE* const stream = ::fdopen(::dup(ends_.a), "r");
    ASSERT_NE(stream, nullptr);
    int taken = 0;
    const auto reader = ramie::spawn([&] {
        while (std::fgetc(stream) == 'x') ++taken;
    });
    for (int i = 0; i != 10'000; ++i) {
        let_others_run();
        ASSERT_EQ(::write(ends_.b, "x", 1), 1);
        while (taken == i) ramie::this_fiber::yield();
    }
    ASSERT_EQ(::write(ends_.b, "end", 3), 3);
    reader.get();
    EXPECT_EQ(taken, 10'000);
    std::fclose(stream);
}

INSTANTIATE_TEST_SUITE_P(, in_a_storm,
                         ::testing::Values(channel::tcp, channel::unix_stream, channel::pipe),
                         channel_name<::testing::TestParamInfo<channel>>);

}  // namespace
