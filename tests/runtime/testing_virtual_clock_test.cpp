#include "ramie/testing.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using virtual_clock = ramie::test::fiber_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

class connected_pair {
  public:
    connected_pair() {
        const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const plain = reinterpret_cast<sockaddr*>(&address);
        socklen_t length = sizeof address;
        if (::bind(listener, plain, length) != 0 || ::listen(listener, 1) != 0 ||
            ::getsockname(listener, plain, &length) != 0 || ::connect(near_, plain, length) != 0 ||
            (far_ = ::accept(listener, nullptr, nullptr)) < 0)
            throw std::runtime_error("no loopback");
        ::close(listener);
    }
    ~connected_pair() {
        for (const int end : {near_, far_}) {
            ramie::forget_descriptor(end);
            ::close(end);
        }
    }
    connected_pair(const connected_pair&) = delete;
    connected_pair& operator=(const connected_pair&) = delete;
    [[nodiscard]] int near() const { return near_; }
    [[nodiscard]] int far() const { return far_; }

  private:
    int near_ = ::socket(AF_INET, SOCK_STREAM, 0);
    int far_ = -1;
};

TEST_F(virtual_clock, jumps_over_every_wait) {
    const auto start = std::chrono::steady_clock::now();
    const ramie::testing::virtual_clock clock;
    EXPECT_EQ(clock.elapsed(), 0s);
    this_fiber::sleep_for(24h * 365 * 100);
    EXPECT_EQ(clock.elapsed(), 24h * 365 * 100);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST_F(virtual_clock, visits_every_timer_in_order) {
    const ramie::testing::virtual_clock clock;
    std::vector<std::chrono::nanoseconds> seen;
    for (const auto d : {3h, 1h, 2h})
        ramie::spawn_later(d, [&] { seen.push_back(clock.elapsed()); });
    this_fiber::sleep_for(4h);
    EXPECT_EQ(seen, (std::vector<std::chrono::nanoseconds>{1h, 2h, 3h}));
}

TEST_F(virtual_clock, stands_still_while_something_is_ready) {
    const ramie::testing::virtual_clock clock;
    auto sleeper = spawn([] { this_fiber::sleep_for(1ns); });
    for (int i = 0; i != 5000; ++i) this_fiber::yield();
    EXPECT_FALSE(sleeper.ready());
    EXPECT_EQ(clock.elapsed(), 0s);
    sleeper.join();
    EXPECT_EQ(clock.elapsed(), 1ns);
}

TEST_F(virtual_clock, never_stands_behind_the_real_one_when_it_is_made) {
    const auto real = ramie::detail::now_ns();
    const ramie::testing::virtual_clock clock;
    EXPECT_GE(ramie::detail::now_ns(), real);
}

TEST_F(virtual_clock, can_be_moved_by_hand) {
    ramie::testing::virtual_clock clock;
    const ramie::deadline until = 1h;
    clock.advance(59min);
    EXPECT_FALSE(until.expired());
    clock.advance(1min);
    EXPECT_TRUE(until.expired());
    EXPECT_EQ(clock.elapsed(), 1h);
}

TEST_F(virtual_clock, lets_a_descriptor_that_is_ready_go_first) {
    const ramie::testing::virtual_clock clock;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    auto reader = spawn([&] { return ramie::wait_readable(ends[0], 1h); });
    this_fiber::yield();
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
    EXPECT_TRUE(reader.get());
    EXPECT_EQ(clock.elapsed(), 0s);
    for (const int end : ends) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

// A byte there and back, so often, over TCP on this machine, each within a second.
void echo_over_loopback(int rounds) {
    const connected_pair tcp;
    auto echo = spawn([&] {
        char byte = 0;
        for (int i = 0; i != rounds; ++i) {
            ASSERT_TRUE(ramie::wait_readable(tcp.far(), 1s));
            ASSERT_EQ(::read(tcp.far(), &byte, 1), 1);
            ASSERT_EQ(::write(tcp.far(), &byte, 1), 1);
        }
    });
    char byte = 'x';
    for (int i = 0; i != rounds; ++i) {
        ASSERT_EQ(::write(tcp.near(), &byte, 1), 1);
        ASSERT_TRUE(ramie::wait_readable(tcp.near(), 1s));
        ASSERT_EQ(::read(tcp.near(), &byte, 1), 1);
    }
    echo.join();
}

TEST_F(virtual_clock, does_not_jump_while_bytes_are_on_their_way) {
    const ramie::testing::virtual_clock clock(10s);  // a machine may be busy
    auto ticker = spawn([] {
        for (;;) this_fiber::sleep_for(10ms);
    });
    echo_over_loopback(200);
    ticker.kill();
    EXPECT_EQ(clock.elapsed(), 0s);
}

TEST_F(virtual_clock, jumps_over_a_wait_for_a_peer_that_stays_silent) {
    const ramie::testing::virtual_clock clock;
    const connected_pair tcp;
    EXPECT_FALSE(ramie::wait_readable(tcp.near(), 1h));
    EXPECT_EQ(clock.elapsed(), 1h);
}

TEST_F(virtual_clock, waits_for_another_thread_as_long_as_it_is_told) {
    const ramie::testing::virtual_clock clock(10s);
    ramie::async_result<> done;
    std::thread other([done]() mutable {
        std::this_thread::sleep_for(20ms);
        done.set();
    });
    EXPECT_TRUE(done.wait(1h));
    EXPECT_EQ(clock.elapsed(), 0s);
    other.join();
}

TEST_F(virtual_clock, is_one_for_each_thread) {
    const ramie::testing::virtual_clock clock;
    EXPECT_THROW(ramie::testing::virtual_clock(), std::logic_error);
    std::thread([] {
        const ramie::testing::virtual_clock own;
        this_fiber::sleep_for(1h);
        EXPECT_EQ(own.elapsed(), 1h);
    }).join();
    EXPECT_EQ(clock.elapsed(), 0s);
}

TEST_F(virtual_clock, gives_way_to_the_real_one) {
    std::optional<ramie::testing::virtual_clock> clock(std::in_place);
    this_fiber::sleep_for(1h);
    clock.reset();
    const auto start = std::chrono::steady_clock::now();
    this_fiber::sleep_for(10ms);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 10ms);
    EXPECT_THROW(ramie::with_timeout(1ms, [] { this_fiber::sleep_for(1h); }),
                 ramie::timeout_expired);
    clock.emplace();
    this_fiber::sleep_for(1h);
    EXPECT_EQ(clock->elapsed(), 1h);
}

TEST_F(virtual_clock, finds_deadlocks_too) {
    const ramie::testing::virtual_clock clock;
    ramie::event never;
    EXPECT_THROW(never.wait(), ramie::deadlock_error);
}

}  // namespace
