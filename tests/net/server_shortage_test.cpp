// A server that runs out of descriptors, or of memory.

#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "counted_calls.hpp"
#include "failing_new.hpp"
#include "loopback.hpp"
#include "ramie/net/server.hpp"
#include "ramie/testing.hpp"

namespace {

using namespace ramie::test;
namespace net = ramie::net;
using net::stream_server;
using server_shortage = fiber_test;

TEST_F(server_shortage, asks_seldom_and_recovers_within_a_second) {
    ramie::testing::virtual_clock clock;
    stream_server echoing("127.0.0.1:0", &echo);
    const plain_client client(echoing.endpoint());
    echoing.start();
    stderr_of([&] {
        const failing_accepts none(ENFILE);
        for (int second = 0; second != 10; ++second) {
            const int before = calls().accept4;
            ramie::this_fiber::sleep_for(1s);
            EXPECT_LT(calls().accept4 - before, 50);
            EXPECT_GT(calls().accept4 - before, 0);
        }
    });
    EXPECT_EQ(echoing.connections(), 0U);
    ramie::this_fiber::sleep_for(1s);
    EXPECT_EQ(echoing.connections(), 1U);
}

TEST_F(server_shortage, pauses_grow_from_5_ms_and_start_anew_after_a_success) {
    ramie::testing::virtual_clock clock;
    stream_server echoing("127.0.0.1:0", &echo);
    const plain_client client(echoing.endpoint());
    echoing.start();
    stderr_of([&] {
        fail_next_accepts(ENOBUFS, 3);  // 5 + 10 + 20 ms
        ramie::this_fiber::sleep_for(34ms);
        EXPECT_EQ(echoing.connections(), 0U);
        ramie::this_fiber::sleep_for(2ms);
        EXPECT_EQ(echoing.connections(), 1U);
        fail_next_accepts(ENOMEM, 1);
        const plain_client next(echoing.endpoint());
        wait_until([&] { return echoing.stats().shortages == 4; });
        ramie::this_fiber::sleep_for(6ms);
        EXPECT_EQ(echoing.connections(), 2U);
    });
    EXPECT_EQ(echoing.stats().shed, 0U);  // the spare descriptor would not help
}

TEST_F(server_shortage, the_end_of_a_connection_ends_the_pause) {
    ramie::testing::virtual_clock clock;
    stream_server echoing("127.0.0.1:0", &echo);
    auto first = std::make_unique<plain_client>(echoing.endpoint());
    echoing.start();
    wait_until([&] { return echoing.connections() == 1; });
    stderr_of([&] {
        auto none = std::make_unique<failing_accepts>(ENOBUFS);
        const plain_client second(echoing.endpoint());
        ramie::this_fiber::sleep_for(10s);
        none.reset();
        const auto before = clock.elapsed();
        first.reset();
        wait_until([&] { return echoing.stats().accepted == 2; });
        EXPECT_EQ(clock.elapsed(), before);
    });
}

TEST_F(server_shortage, writes_one_line_a_second_at_most) {
    ramie::testing::virtual_clock clock;
    stream_server echoing("127.0.0.1:0", &echo, {.name = "front"});
    const plain_client client(echoing.endpoint());
    echoing.start();
    const auto report = stderr_of([&] {
        const failing_accepts none(EMFILE);
        ramie::this_fiber::sleep_for(10s);
    });
    EXPECT_GE(count_of("\n", report), 5) << report;
    EXPECT_LE(count_of("\n", report), 11) << report;
    EXPECT_NE(report.find("front: accept on " + echoing.endpoint().to_string()), std::string::npos)
        << report;
    EXPECT_NE(report.find("Too many open files"), std::string::npos) << report;
}

TEST_F(server_shortage, a_handler_that_cannot_be_spawned_costs_its_connection_alone) {
    if (address_sanitizer || thread_sanitizer) GTEST_SKIP() << "they need the address space";
    constexpr rlim_t gib = 1 << 30;
    const rlimit limit{8 * gib, 8 * gib};
    ::setrlimit(RLIMIT_AS, &limit);
    stream_server echoing("127.0.0.1:0", &echo, {.stack_size = gib});
    echoing.start();
    std::vector<net::tcp_stream> served;
    const auto report = stderr_of([&] {
        while (echoing.stats().shortages == 0) {
            served.push_back(net::tcp_stream::connect(echoing.endpoint()));
            wait_until([&] {
                return echoing.stats().accepted == served.size() || echoing.stats().shortages != 0;
            });
        }
    });
    EXPECT_NE(report.find("ramie: server: "), std::string::npos) << report;
    std::array<char, 1> buffer;
    EXPECT_EQ(served.back().read_some(buffer), 0U);
    served.front().write_all("x");
    EXPECT_EQ(served.front().read_some(buffer), 1U);
}

// Whatever the allocation is that fails between the accept and the handler.
TEST_F(server_shortage, a_new_that_fails_costs_one_connection_at_most) {
    ramie::testing::virtual_clock clock;
    stream_server echoing("127.0.0.1:0", &echo);
    echoing.start();
    ramie::this_fiber::yield();
    std::vector<std::unique_ptr<plain_client>> clients;
    int failures = 0;
    for (int i = 0; i != 80; ++i) {
        const auto before = echoing.stats();
        clients.push_back(std::make_unique<plain_client>(echoing.endpoint()));
        const auto report = stderr_of([&] {
            ramie::test::fail_new(1 + i % 2);
            wait_until([&] {
                return echoing.stats().accepted + echoing.stats().shortages !=
                       before.accepted + before.shortages;
            });
            failures += ramie::test::new_has_failed() ? 1 : 0;
            ramie::test::fail_new(0);
            ramie::this_fiber::sleep_for(10ms);
        });
        clients.push_back(std::make_unique<plain_client>(echoing.endpoint()));
        const plain_client& next = *clients.back();
        next.send("x");
        wait_until([&] { return unread(next) == 1; });
    }
    EXPECT_GE(failures, 40);
    EXPECT_GE(echoing.stats().shortages, 40U);
}

// In a process of its own: serves with few descriptors, and tells how it went.
struct starved_server {
    explicit starved_server(rlim_t descriptors) {
        int ports[2];
        int orders[2];
        int results[2];
        if (::pipe(ports) != 0 || ::pipe(orders) != 0 || ::pipe(results) != 0)
            throw std::runtime_error("pipe");
        pid = ::fork();
        if (pid == 0) serve(descriptors, ports[1], orders[0], results[1]);
        ::close(ports[1]);
        ::close(orders[0]);
        ::close(results[1]);
        if (::read(ports[0], &port, sizeof port) != sizeof port) throw std::runtime_error("port");
        ::close(ports[0]);
        order = orders[1];
        result = results[0];
    }

    // From now on it accepts.
    void start() const {
        if (::write(order, "x", 1) != 1) throw std::runtime_error("start");
    }

    [[noreturn]] static void serve(rlim_t descriptors, int port_pipe, int order_pipe,
                                   int result_pipe) {
        const rlimit limit{descriptors, descriptors};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        ramie::run([=] {
            stream_server echoing("127.0.0.1:0", &echo, {.pool = 1000});
            const std::uint16_t chosen = echoing.endpoint().port();
            if (::write(port_pipe, &chosen, sizeof chosen) < 0) std::_Exit(1);
            char ordered = 0;
            if (::read(order_pipe, &ordered, 1) != 1) std::_Exit(1);
            outcome seen;
            const auto start = std::chrono::steady_clock::now();
            echoing.start();
            wait_until([&] { return echoing.stats().shortages == 1; });
            const int before = calls().accept4;
            // Nine pauses: 5 + 10 + ... + 640 + 640 ms.
            wait_until_slowly([&] { return echoing.stats().shortages == 10; });
            seen.elapsed = std::chrono::steady_clock::now() - start;
            seen.accepts = calls().accept4 - before;
            seen.stats = echoing.stats();
            if (::write(result_pipe, &seen, sizeof seen) < 0) std::_Exit(1);
            echoing.serve();
        });
        std::_Exit(0);
    }

    template <class Condition>
    static void wait_until_slowly(Condition condition) {
        while (!condition()) ramie::this_fiber::sleep_for(1ms);
    }

    ~starved_server() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        ::close(order);
        ::close(result);
    }

    struct outcome {
        std::chrono::nanoseconds elapsed{};
        int accepts = 0;
        net::server_stats stats;
    };

    [[nodiscard]] outcome wait() const {
        outcome seen;
        if (::read(result, &seen, sizeof seen) != sizeof seen) throw std::runtime_error("result");
        return seen;
    }

    pid_t pid = -1;
    std::uint16_t port = 0;
    int order = -1;
    int result = -1;
};

// Within which time those that waited are served is asked above, on the virtual clock; here it is
// real, and has no bound on a machine that is busy.
TEST(server_in_want, sends_clients_away_without_spinning_and_serves_again) {
    starved_server starved(64);
    const net::endpoint there("127.0.0.1", starved.port);
    std::vector<std::unique_ptr<plain_client>> clients;
    for (int i = 0; i != 100; ++i) clients.push_back(std::make_unique<plain_client>(there));
    starved.start();  // there is one to be sent away after every pause

    const auto seen = starved.wait();
    EXPECT_GE(seen.elapsed, 1900ms);
    const double seconds = std::chrono::duration<double>(seen.elapsed).count();
    EXPECT_LT(seen.accepts / seconds, 50);
    EXPECT_EQ(seen.stats.shed, 10U);
    RecordProperty("accepts_per_second", std::to_string(seen.accepts / seconds));

    // The first were served, and still are; those that were sent away see an end.
    EXPECT_EQ(clients[0]->ask("x"), "x");
    EXPECT_EQ(clients[seen.stats.accepted]->receive(1), "");

    // Some go, and of those that waited are served whose turn comes when a descriptor is free.
    const auto waiting = std::span(clients).subspan(seen.stats.accepted + seen.stats.shed);
    for (const auto& each : waiting) each->send("x");
    for (const auto& each : std::span(clients).first(50)) each->close();
    const auto served = [](const auto& each) { return each->receive(1) == "x"; };
    EXPECT_GT(std::ranges::count_if(waiting, served), 0);
    while (plain_client(there).ask("y") != "y") continue;
}

}  // namespace
