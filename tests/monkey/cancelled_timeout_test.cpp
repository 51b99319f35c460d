// A timeout that breaks a patched call, and that another fiber cancels before the one that it woke
// has run: the call goes on, as if nothing had happened.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/testing.hpp>
#include <ramie/timeout.hpp>

namespace {

using namespace std::chrono_literals;
namespace this_fiber = ramie::this_fiber;

class timeout_around_a_patched_call : public ::testing::Test {
  protected:
    void SetUp() override { ramie::monkey::patch_all(); }

    // What `call` returns; its timeout expires, and is cancelled, after a second.
    template <class F>
    auto result_of(F call) {
        std::optional<ramie::timeout> limit;
        auto calling = ramie::spawn([&] {
            this_fiber::yield();  // so that the other one's timer is the first of the two
            limit.emplace(1s);
            return call();
        });
        ramie::spawn([&] {
            this_fiber::sleep_for(1s);
            EXPECT_TRUE(limit->expired());
            limit->cancel();
        }).join();
        return calling.get();
    }

    ramie::testing::virtual_clock clock_;
};

TEST_F(timeout_around_a_patched_call, that_is_cancelled_does_not_shorten_a_sleep) {
    EXPECT_EQ(result_of([] { return ::usleep(3'000'000); }), 0);
    EXPECT_EQ(clock_.elapsed(), 3s);
}

TEST_F(timeout_around_a_patched_call, that_is_cancelled_does_not_end_poll) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    pollfd one{ends[0], POLLIN, 0};
    EXPECT_EQ(result_of([&] { return ::poll(&one, 1, 3000); }), 0);
    EXPECT_EQ(clock_.elapsed(), 3s);
    for (const int end : ends) ::close(end);
}

TEST_F(timeout_around_a_patched_call, that_is_cancelled_does_not_end_a_transfer) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ramie::spawn_later(2s, [&] { EXPECT_EQ(::send(ends[1], "x", 1, 0), 1); });
    char c = 0;
    EXPECT_EQ(result_of([&] { return ::recv(ends[0], &c, 1, 0); }), 1);
    EXPECT_EQ(clock_.elapsed(), 2s);
    for (const int end : ends) ::close(end);
}

}  // namespace
