// Peers that neither send nor read, and the limits of a server that free their places. On the
// virtual clock: minutes pass while every fiber waits.

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loopback.hpp"
#include "ramie/net/server.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"

namespace {

using namespace ramie::test;
namespace net = ramie::net;
namespace this_fiber = ramie::this_fiber;
using net::stream_server;

class server_limits : public virtual_time_test {
  protected:
    // Serves one connection, and tells when it has ended.
    struct served {
        served(stream_server::handler handler, const net::server_options& options)
            : server("127.0.0.1:0", std::move(handler), options), client(server.endpoint()) {
            server.start();
            wait_until([&] { return server.connections() == 1; });
        }
        void wait_for_end(std::chrono::nanoseconds step = 100ms) {
            while (server.connections() != 0) this_fiber::sleep_for(step);
        }

        stream_server server;
        plain_client client;
    };

    static void read_for_ever(net::tcp_stream peer) {
        std::array<std::byte, 64> buffer;
        while (peer.read_some(buffer) != 0) continue;
    }
    static void write_for_ever(net::tcp_stream peer) {
        const std::string text(1 << 16, 'x');
        for (;;) peer.write_all(text);
    }
};

TEST_F(server_limits, end_a_connection_that_is_silent_for_a_minute) {
    served idle(&read_for_ever, {});
    const std::string report = stderr_of([&] {
        this_fiber::sleep_for(59s);
        EXPECT_EQ(idle.server.connections(), 1U);
        idle.wait_for_end();
    });
    EXPECT_GE(clock_.elapsed(), 60s);
    EXPECT_LE(clock_.elapsed(), 70s);
    EXPECT_EQ(idle.client.receive(1), "");
    EXPECT_EQ(idle.server.stats().timed_out, 1U);
    EXPECT_EQ(idle.server.stats().failed, 0U);
    EXPECT_EQ(report, "");
}

TEST_F(server_limits, end_a_connection_whose_peer_does_not_read_for_half_a_minute) {
    served stalled(&write_for_ever, {});
    const auto start = clock_.elapsed();
    this_fiber::sleep_for(29s);
    EXPECT_EQ(stalled.server.connections(), 1U);
    stalled.wait_for_end();
    EXPECT_GE(clock_.elapsed() - start, 30s);
    EXPECT_LE(clock_.elapsed() - start, 40s);
    EXPECT_EQ(stalled.server.stats().timed_out, 1U);
}

TEST_F(server_limits, are_what_the_options_say) {
    served idle(&read_for_ever, {.idle_timeout = 2s});
    idle.wait_for_end();
    EXPECT_GE(clock_.elapsed(), 2s);
    EXPECT_LE(clock_.elapsed(), 3s);
    const auto start = clock_.elapsed();
    served stalled(&write_for_ever, {.write_timeout = 1s});
    stalled.wait_for_end();
    EXPECT_GE(clock_.elapsed() - start, 1s);
    EXPECT_LE(clock_.elapsed() - start, 2s);
}

TEST_F(server_limits, may_be_off) {
    served idle(&read_for_ever, {.idle_timeout = 0s, .write_timeout = 0s});
    served stalled(&write_for_ever, {.write_timeout = 0s});
    this_fiber::sleep_for(10min);
    EXPECT_EQ(idle.server.connections(), 1U);
    EXPECT_EQ(stalled.server.connections(), 1U);
}

// Each wait counts on its own.
TEST_F(server_limits, leave_alone_who_says_something_now_and_then) {
    served slow(&read_for_ever, {});
    for (int i = 0; i != 10; ++i) {
        this_fiber::sleep_for(50s);
        slow.client.send("x");
        settle();
        EXPECT_EQ(slow.server.connections(), 1U);
    }
    EXPECT_EQ(slow.server.stats().timed_out, 0U);
}

TEST_F(server_limits, give_way_to_a_deadline_of_the_call) {
    std::chrono::nanoseconds waited{};
    served patient(
        [&](net::tcp_stream peer) {
            std::array<std::byte, 64> buffer;
            EXPECT_THROW(static_cast<void>(peer.read_some(buffer, 10min)), ramie::timeout_expired);
            waited = clock_.elapsed();
        },
        {});
    patient.wait_for_end(10s);
    EXPECT_GE(waited, 10min);
    EXPECT_EQ(patient.server.stats().timed_out, 0U);
}

TEST_F(server_limits, do_not_concern_what_else_a_handler_waits_for) {
    served busy([](const net::tcp_stream&) { this_fiber::sleep_for(10min); }, {});
    this_fiber::sleep_for(9min);
    EXPECT_EQ(busy.server.connections(), 1U);
}

TEST_F(server_limits, let_a_handler_go_on_that_wants_to) {
    int times = 0;
    served stubborn(
        [&](net::tcp_stream peer) {
            std::array<std::byte, 64> buffer;
            while (times != 3) {
                try {
                    peer.read_some(buffer);
                } catch (const ramie::timeout_expired&) {
                    ++times;
                }
            }
            peer.write_all("at last");
        },
        {});
    stubborn.wait_for_end(10s);
    EXPECT_EQ(stubborn.client.receive(7), "at last");
    EXPECT_EQ(stubborn.server.stats().timed_out, 3U);
}

// The number may be another connection by then.
TEST_F(server_limits, end_with_the_connection) {
    net::tcp_listener listener("127.0.0.1:0");
    std::chrono::nanoseconds waited{};
    served closing(
        [&](net::tcp_stream peer) {
            const int number = peer.native_handle();
            peer.close();
            auto next = net::tcp_stream::connect(listener.local_endpoint());
            EXPECT_EQ(next.native_handle(), number);
            const auto other = listener.accept();
            const ramie::timeout limit(10min);
            std::array<std::byte, 64> buffer;
            EXPECT_THROW(next.read_some(buffer), ramie::timeout_expired);
            waited = clock_.elapsed();
        },
        {});
    closing.wait_for_end(10s);
    EXPECT_GE(waited, 10min);
    EXPECT_EQ(closing.server.stats().timed_out, 0U);
}

TEST_F(server_limits, are_kept_for_many_connections) {
    constexpr std::size_t count = 300;
    stream_server server("127.0.0.1:0", &read_for_ever, {.pool = count});
    server.start();
    std::vector<std::unique_ptr<plain_client>> clients;
    for (std::size_t i = 0; i != count; ++i) {
        clients.push_back(std::make_unique<plain_client>(server.endpoint()));
        if (i % 50 == 0) this_fiber::sleep_for(1s);
    }
    wait_until([&] { return server.connections() == count; });
    while (server.connections() != 0) this_fiber::sleep_for(1s);
    EXPECT_LE(clock_.elapsed(), 90s);
    EXPECT_EQ(server.stats().timed_out, count);
}

}  // namespace
