#include "ramie/net/server.hpp"

#include <sys/resource.h>

#include <memory>
#include <vector>

#include "loopback.hpp"
#include "ramie/testing.hpp"

namespace {

using namespace ramie::test;
namespace net = ramie::net;
using net::stream_server;

class server : public fiber_test {
  protected:
    // A server on a port of its own that is started.
    static std::unique_ptr<stream_server> start(stream_server::handler handler,
                                                net::server_options options = {}) {
        auto made = std::make_unique<stream_server>("127.0.0.1:0", std::move(handler), options);
        made->start();
        return made;
    }
    static std::unique_ptr<stream_server> start_echo(net::server_options options = {}) {
        return start(&echo, options);
    }
};

std::string ask(net::tcp_stream& peer, std::string_view text) {
    peer.write_all(text);
    std::string answer(text.size(), '\0');
    peer.read_exactly(std::span(answer));
    return answer;
}

TEST_F(server, serves_a_plain_client) {
    const auto echoing = start_echo();
    on_thread client([there = echoing->endpoint()] { return plain_client(there).ask("hello"); });
    EXPECT_EQ(client.get(), "hello");
    EXPECT_EQ(echoing->stats().accepted, 1U);
}

TEST_F(server, serves_pythons_sockets) {
    const auto echoing = start_echo();
    on_thread client([port = std::to_string(echoing->endpoint().port())] {
        return output_of(
            "python3 -c '\n"
            "import socket, threading\n"
            "peers = [socket.create_connection((\"127.0.0.1\", " +
            port +
            ")) for _ in range(20)]\n"
            "data = bytes(range(256)) * 4096\n"
            "for size in (1, 1000, len(data)):\n"
            "    for peer in peers:\n"
            "        sender = threading.Thread(target=peer.sendall, args=(data[:size],))\n"
            "        sender.start()\n"
            "        assert peer.makefile(\"rb\").read(size) == data[:size]\n"
            "        sender.join()\n"
            "for peer in peers[:3]:\n"
            "    out = peer.makefile(\"wb\")\n"
            "    sender = threading.Thread(target=lambda: (out.write(data), out.flush(),\n"
            "                                              peer.shutdown(socket.SHUT_WR)))\n"
            "    sender.start()\n"
            "    assert peer.makefile(\"rb\").read() == data\n"
            "    sender.join()\n"
            "print(\"every byte came back\")\n"
            "'");
    });
    EXPECT_EQ(client.get(), "every byte came back\n");
}

TEST_F(server, serves_curl) {
    const auto web = start([](net::tcp_stream peer) {
        std::string request;
        std::array<char, 512> buffer;
        while (request.find("\r\n\r\n") == std::string::npos)
            request.append(buffer.data(), peer.read_some(buffer));
        peer.write_all("HTTP/1.0 200 OK\r\n\r\n" + request.substr(0, request.find('\r')));
    });
    on_thread curl([url = "http://" + web->endpoint().to_string() + "/page"] {
        return output_of("curl -s --noproxy '*' " + url);
    });
    EXPECT_EQ(curl.get(), "GET /page HTTP/1.1");
}

TEST_F(server, serves_a_thousand_connections_at_once) {
    constexpr std::size_t count = 1000;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 2 * count + 100) GTEST_SKIP() << "the limit of descriptors is too low";
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const auto echoing = start_echo({.pool = count});
    std::vector<net::tcp_stream> clients;
    for (std::size_t i = 0; i != count; ++i)
        clients.push_back(net::tcp_stream::connect(echoing->endpoint()));
    wait_until([&] { return echoing->connections() == count; });
    std::vector<ramie::fiber<>> asking;
    for (std::size_t i = 0; i != count; ++i)
        asking.push_back(ramie::spawn([&, i] {
            for (int round = 0; round != 10; ++round) {
                const std::string text = pattern(64, i);
                EXPECT_EQ(ask(clients[i], text), text);
            }
        }));
    EXPECT_TRUE(ramie::join_all(asking, ramie::on_error::rethrow));
    clients.clear();
    wait_until([&] { return echoing->connections() == 0; });
    EXPECT_EQ(echoing->stats().accepted, count);
}

TEST_F(server, the_connection_is_closed_when_the_handler_returns) {
    const auto polite = start([](net::tcp_stream peer) { peer.write_all("bye"); });
    auto client = net::tcp_stream::connect(polite->endpoint());
    std::array<char, 8> buffer;
    EXPECT_EQ(client.read_some(buffer), 3U);
    EXPECT_EQ(client.read_some(buffer), 0U);
    EXPECT_EQ(polite->connections(), 0U);
}

TEST_F(server, half_close_is_served_to_the_end) {
    const auto echoing = start_echo();
    on_thread client([there = echoing->endpoint()] {
        const plain_client c(there);
        c.send("last words");
        c.end_writing();
        return c.receive(100);
    });
    EXPECT_EQ(client.get(), "last words");
}

TEST_F(server, an_exception_ends_its_own_connection_and_is_reported) {
    const auto fragile = start(
        [](net::tcp_stream peer) {
            std::array<char, 4> buffer;
            peer.read_exactly(buffer);
            if (buffer[0] == '!') throw std::runtime_error("what a message");
            if (buffer[0] == '?') throw 42;
            peer.write_all(std::span(buffer));
        },
        {.name = "fragile"});
    std::string peer;
    const auto report = stderr_of([&] {
        auto bad = net::tcp_stream::connect(fragile->endpoint());
        auto worse = net::tcp_stream::connect(fragile->endpoint());
        auto good = net::tcp_stream::connect(fragile->endpoint());
        peer = bad.local_endpoint().to_string();
        bad.write_all("!!!!");
        worse.write_all("????");
        std::array<char, 1> buffer;
        EXPECT_EQ(bad.read_some(buffer), 0U);
        EXPECT_EQ(worse.read_some(buffer), 0U);
        EXPECT_EQ(ask(good, "good"), "good");
    });
    EXPECT_NE(report.find("fragile for " + peer), std::string::npos) << report;
    EXPECT_NE(report.find("what a message"), std::string::npos) << report;
    EXPECT_EQ(count_of("\n", report), 2) << report;
    EXPECT_EQ(fragile->stats().failed, 2U);
}

TEST_F(server, a_peer_that_goes_away_is_not_worth_a_line) {
    const auto reading = start([](net::tcp_stream peer) {
        std::array<char, 1000> buffer;
        peer.read_exactly(buffer);
    });
    const auto report = stderr_of([&] {
        plain_client resetting(reading->endpoint());
        plain_client leaving(reading->endpoint());
        resetting.send("half a mess");
        leaving.send("half a mess");
        wait_until([&] { return reading->connections() == 2; });
        resetting.reset();
        leaving.close();
        wait_until([&] { return reading->connections() == 0; });
    });
    EXPECT_EQ(report, "");
    EXPECT_EQ(reading->stats().failed, 0U);
}

TEST_F(server, a_full_pool_leaves_the_others_in_the_backlog) {
    const auto echoing = start_echo({.pool = 2});
    auto first = std::make_unique<plain_client>(echoing->endpoint());
    const plain_client second(echoing->endpoint());
    const plain_client third(echoing->endpoint());
    first->send("1");
    second.send("2");
    third.send("3");
    wait_until([&] { return unread(*first) == 1 && unread(second) == 1; });
    settle();
    EXPECT_EQ(echoing->connections(), 2U);
    EXPECT_EQ(unread(third), 0);
    first->close();
    wait_until([&] { return unread(third) == 1; });
    EXPECT_EQ(echoing->connections(), 2U);
    EXPECT_EQ(echoing->stats().accepted, 3U);
}

TEST_F(server, the_default_pool_is_half_of_the_descriptors) {
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{40, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const auto echoing = start_echo();
    ::setrlimit(RLIMIT_NOFILE, &before);
    std::vector<std::unique_ptr<plain_client>> clients;
    for (int i = 0; i != 30; ++i)
        clients.push_back(std::make_unique<plain_client>(echoing->endpoint()));
    wait_until([&] { return echoing->connections() >= 20; });
    settle();
    EXPECT_EQ(echoing->connections(), 20U);
}

TEST_F(server, stop_gives_busy_handlers_their_time) {
    ramie::testing::virtual_clock clock;
    bool finished = false;
    const auto busy = start([&finished](net::tcp_stream peer) {
        ramie::this_fiber::sleep_for(3s);
        peer.write_all("done");
        finished = true;
    });
    auto client = net::tcp_stream::connect(busy->endpoint());
    wait_until([&] { return busy->connections() == 1; });
    busy->stop(10s);
    EXPECT_TRUE(finished);
    EXPECT_GE(clock.elapsed(), 3s);
    EXPECT_LT(clock.elapsed(), 4s);
    std::array<char, 4> buffer;
    client.read_exactly(buffer);
}

TEST_F(server, stop_kills_idle_handlers_after_the_grace) {
    ramie::testing::virtual_clock clock;
    int unwound = 0;
    const auto idle = start([&unwound](net::tcp_stream peer) {
        const at_exit count([&unwound] { ++unwound; });
        echo(std::move(peer));
    });
    std::vector<net::tcp_stream> clients;
    for (int i = 0; i != 3; ++i) clients.push_back(net::tcp_stream::connect(idle->endpoint()));
    wait_until([&] { return idle->connections() == 3; });
    idle->stop(5s);
    EXPECT_EQ(unwound, 3);
    EXPECT_EQ(idle->connections(), 0U);
    EXPECT_GE(clock.elapsed(), 5s);
    EXPECT_LT(clock.elapsed(), 6s);
    std::array<char, 1> buffer;
    for (auto& client : clients) EXPECT_EQ(client.read_some(buffer), 0U);
}

TEST_F(server, stop_ends_listening_at_once) {
    ramie::testing::virtual_clock clock;
    const auto echoing = start_echo();
    auto client = net::tcp_stream::connect(echoing->endpoint());
    EXPECT_EQ(ask(client, "here"), "here");
    auto stopping = ramie::spawn([&] { echoing->stop(1h); });
    ramie::this_fiber::yield();
    EXPECT_EQ(
        thrown_by<std::system_error>([&] { net::tcp_stream::connect(echoing->endpoint()); }).code(),
        std::errc::connection_refused);
    // Who is being served may finish.
    EXPECT_EQ(ask(client, "still here"), "still here");
    client.close();
    stopping.get();
    EXPECT_LT(clock.elapsed(), 1h);
}

TEST_F(server, stop_ends_handlers_that_have_not_run_yet) {
    bool ran = false;
    const auto late = start([&ran](net::tcp_stream) { ran = true; });
    const plain_client client(late->endpoint());
    // The acceptor runs, and spawns the handler behind this fiber.
    wait_until([&] { return late->connections() == 1; });
    late->stop(0s);
    EXPECT_FALSE(ran);
    EXPECT_EQ(late->connections(), 0U);
}

TEST_F(server, stop_is_harmless_twice_and_at_the_same_time) {
    ramie::testing::virtual_clock clock;
    const auto echoing = start_echo();
    const plain_client client(echoing->endpoint());
    wait_until([&] { return echoing->connections() == 1; });
    auto other = ramie::spawn([&] { echoing->stop(5s); });
    echoing->stop(5s);
    other.get();
    echoing->stop();
    EXPECT_THROW(echoing->start(), std::logic_error);
}

TEST_F(server, a_handler_may_stop_its_own_server) {
    ramie::testing::virtual_clock clock;
    stream_server* self = nullptr;
    const auto suicidal = start([&self](net::tcp_stream) { self->stop(1s); });
    self = suicidal.get();
    const plain_client client(suicidal->endpoint());
    suicidal->serve();
    EXPECT_EQ(suicidal->connections(), 0U);
}

TEST_F(server, serve_returns_after_stop) {
    stream_server echoing("127.0.0.1:0", &echo);
    auto serving = ramie::spawn([&] { echoing.serve(); });
    auto client = net::tcp_stream::connect(echoing.endpoint());
    EXPECT_EQ(ask(client, "x"), "x");
    EXPECT_FALSE(serving.ready());
    echoing.stop(0s);
    serving.get();
}

TEST_F(server, a_killed_serve_stops_the_server) {
    stream_server echoing("127.0.0.1:0", &echo);
    auto serving = ramie::spawn([&] { echoing.serve(); });
    auto client = net::tcp_stream::connect(echoing.endpoint());
    EXPECT_EQ(ask(client, "x"), "x");
    EXPECT_TRUE(serving.kill());
    EXPECT_EQ(echoing.connections(), 0U);
    std::array<char, 1> buffer;
    EXPECT_EQ(client.read_some(buffer), 0U);
}

TEST_F(server, its_end_is_the_end_of_its_handlers) {
    int alive = 0;
    {
        const auto idle = start([&alive](net::tcp_stream peer) {
            ++alive;
            const at_exit gone([&alive] { --alive; });
            echo(std::move(peer));
        });
        const plain_client client(idle->endpoint());
        wait_until([&] { return alive == 1; });
    }
    EXPECT_EQ(alive, 0);
}

TEST_F(server, may_outlive_the_run_that_it_served_in) {
    stream_server echoing("127.0.0.1:0", &echo);
    ramie::run([&] {
        echoing.start();
        auto client = net::tcp_stream::connect(echoing.endpoint());
        EXPECT_EQ(ask(client, "x"), "x");
    });
    EXPECT_EQ(echoing.connections(), 0U);
}

TEST_F(server, a_listener_that_fails_ends_serve_with_its_error) {
    net::tcp_listener listener("127.0.0.1:0");
    const int fd = listener.native_handle();
    stream_server echoing(std::move(listener), &echo);
    auto serving = ramie::spawn([&] { echoing.serve(); });
    settle();
    ::shutdown(fd, SHUT_RDWR);  // accept answers EINVAL from now on
    EXPECT_EQ(thrown_by<std::system_error>([&] { serving.get(); }).code(),
              std::errc::invalid_argument);
}

TEST_F(server, a_listener_that_fails_is_reported_when_nobody_serves) {
    net::tcp_listener listener("127.0.0.1:0");
    const int fd = listener.native_handle();
    stream_server echoing(std::move(listener), &echo, {.name = "front"});
    echoing.start();
    const auto report = stderr_of([fd] {
        settle();
        ::shutdown(fd, SHUT_RDWR);
        settle();
    });
    EXPECT_NE(report.find("front acceptor"), std::string::npos) << report;
    EXPECT_NE(report.find("Invalid argument"), std::string::npos) << report;
}

TEST_F(server, refuses_an_empty_handler) {
    EXPECT_THROW(stream_server("127.0.0.1:0", nullptr), std::invalid_argument);
}

}  // namespace
