#include "ramie/monkey/faults.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <thread>

#include "ramie/fiber.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;
using ramie::monkey::fault_injection;

class faults : public ramie::test::patched_test {
  protected:
    void SetUp() override { ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()), 0); }
    void TearDown() override {
        for (const int end : ends_) ::close(end);
        patched_test::TearDown();
    }

    // The text as the peer has read it, and in how many pieces.
    std::string send_and_read(const std::string& text) {
        auto writer = spawn([&] {
            EXPECT_EQ(::write(ends_[0], text.data(), text.size()),
                      static_cast<ssize_t>(text.size()));
            ::shutdown(ends_[0], SHUT_WR);
        });
        std::string seen;
        std::array<char, 4096> buffer;
        for (;;) {
            const ssize_t n = ::recv(ends_[1], buffer.data(), buffer.size(), 0);
            error_ = n < 0 ? errno : 0;
            if (n <= 0) break;
            seen.append(buffer.data(), static_cast<std::size_t>(n));
            ++pieces_;
        }
        writer.get();
        return seen;
    }

    std::array<int, 2> ends_{};
    int pieces_ = 0;
    int error_ = 0;
};

const std::string text(20'000, 'x');

TEST_F(faults, lose_no_byte_when_they_only_shorten_and_delay) {
    const fault_injection bad(
        {.seed = 3, .short_transfers = 0.8, .delays = 0.1, .delay = 10us, .spurious_wakes = 0.3});
    EXPECT_EQ(send_and_read(text), text);
    EXPECT_GT(pieces_, 5);
}

TEST_F(faults, shorten_vectored_calls_too) {
    const fault_injection bad({.seed = 5, .short_transfers = 1});
    std::string first(100, 'a');
    std::string second(100, 'b');
    const std::array<iovec, 2> parts{
        {{first.data(), first.size()}, {second.data(), second.size()}}};
    auto writer = spawn([&] { EXPECT_EQ(::writev(ends_[0], parts.data(), 2), 200); });
    std::string seen(200, '-');
    EXPECT_EQ(::recv(ends_[1], seen.data(), seen.size(), MSG_WAITALL), 200);
    EXPECT_EQ(seen, first + second);
    writer.get();
}

TEST_F(faults, delay_in_the_time_of_the_fibers) {
    const ramie::testing::virtual_clock clock;
    const fault_injection bad({.seed = 1, .delays = 1, .delay = 1h});
    EXPECT_EQ(send_and_read("x"), "x");
    EXPECT_GE(clock.elapsed(), 1h);
}

TEST_F(faults, end_a_stream_at_a_byte) {
    const fault_injection bad({.seed = 1, .end_after = 10});
    EXPECT_EQ(send_and_read(text).size(), 10U);
}

TEST_F(faults, reset_one_descriptor_at_a_byte) {
    const fault_injection bad(ends_[1], {.seed = 1, .reset_after = 10});
    EXPECT_EQ(send_and_read(text).size(), 10U);
    EXPECT_EQ(error_, ECONNRESET);
}

TEST_F(faults, leave_other_descriptors_alone) {
    const fault_injection bad(ends_[0] + 1000, {.seed = 1, .end_after = 0});
    EXPECT_EQ(send_and_read(text), text);
}

TEST_F(faults, leave_other_threads_alone) {
    const fault_injection bad({.seed = 1, .end_after = 0});
    ASSERT_EQ(::write(ends_[0], "x", 1), 1);
    std::thread([&] {
        char byte = 0;
        EXPECT_EQ(::recv(ends_[1], &byte, 1, 0), 1);
    }).join();
}

TEST_F(faults, end_with_their_scope) {
    { const fault_injection bad({.seed = 1, .end_after = 0}); }
    EXPECT_EQ(send_and_read(text), text);
    EXPECT_LT(pieces_, 20);
}

}  // namespace
