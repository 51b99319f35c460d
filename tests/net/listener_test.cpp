#include "ramie/net/listener.hpp"

#include <fcntl.h>

#include <vector>

#include "counted_calls.hpp"
#include "loopback.hpp"
#include "ramie/testing.hpp"

namespace {

using namespace ramie::test;
namespace net = ramie::net;
using tcp_listener = fiber_test;

TEST_F(tcp_listener, port_0_becomes_a_real_port) {
    const net::tcp_listener listener("127.0.0.1:0");
    EXPECT_EQ(listener.local_endpoint().address(), "127.0.0.1");
    EXPECT_NE(listener.local_endpoint().port(), 0);
}

TEST_F(tcp_listener, accepts_a_plain_client_and_knows_where_it_is) {
    net::tcp_listener listener("127.0.0.1:0");
    const auto there = listener.local_endpoint();
    on_thread client([there] { return plain_client(there).ask("hello"); });
    net::tcp_stream server = listener.accept();
    EXPECT_EQ(server.remote_endpoint().address(), "127.0.0.1");
    EXPECT_EQ(server.local_endpoint(), there);
    echo(std::move(server));
    EXPECT_EQ(client.get(), "hello");
}

TEST_F(tcp_listener, acceptors_are_served_in_order) {
    net::tcp_listener listener("127.0.0.1:0");
    std::vector<int> order;
    std::vector<ramie::fiber<>> acceptors;
    for (int i = 0; i != 3; ++i)
        acceptors.push_back(ramie::spawn([&listener, &order, i] {
            const net::tcp_stream got = listener.accept();
            order.push_back(i);
        }));
    settle();
    for (int i = 0; i != 3; ++i) {
        const auto client = net::tcp_stream::connect(listener.local_endpoint());
        wait_until([&order, i] { return order.size() == static_cast<std::size_t>(i) + 1; });
    }
    EXPECT_EQ(order, (std::vector{0, 1, 2}));
    ramie::join_all(acceptors);
}

TEST_F(tcp_listener, a_burst_reaches_every_acceptor) {
    net::tcp_listener listener("127.0.0.1:0");
    std::vector<ramie::fiber<>> acceptors;
    for (int i = 0; i != 10; ++i)
        acceptors.push_back(ramie::spawn([&listener] { net::tcp_stream got = listener.accept(); }));
    settle();
    // All at once, between two looks of the reactor.
    std::vector<std::unique_ptr<plain_client>> clients;
    for (int i = 0; i != 10; ++i)
        clients.push_back(std::make_unique<plain_client>(listener.local_endpoint()));
    EXPECT_TRUE(ramie::join_all(acceptors));
}

TEST_F(tcp_listener, accept_ends_at_its_deadline) {
    ramie::testing::virtual_clock clock;
    net::tcp_listener listener("127.0.0.1:0");
    const auto e = thrown_by<ramie::timeout_expired>([&listener] { listener.accept(1h); });
    EXPECT_NE(std::string(e.what()).find("accept on " + listener.local_endpoint().to_string()),
              std::string::npos)
        << e.what();
    EXPECT_GE(clock.elapsed(), 1h);
}

TEST_F(tcp_listener, close_wakes_every_acceptor_with_ebadf) {
    net::tcp_listener listener("127.0.0.1:0");
    std::vector<ramie::fiber<>> acceptors;
    for (int i = 0; i != 3; ++i)
        acceptors.push_back(ramie::spawn([&listener] { listener.accept(); }));
    settle();
    listener.close();
    for (auto& fiber : acceptors) {
        EXPECT_EQ(thrown_by<std::system_error>([&fiber] { fiber.get(); }).code(),
                  std::errc::bad_file_descriptor);
    }
}

TEST_F(tcp_listener, try_accept_does_not_wait) {
    net::tcp_listener listener("127.0.0.1:0");
    EXPECT_FALSE(listener.try_accept());
    const plain_client client(listener.local_endpoint());
    EXPECT_TRUE(listener.try_accept());
    EXPECT_FALSE(listener.try_accept());
    // What comes later is not missed.
    auto acceptor = ramie::spawn([&listener] { return listener.accept(); });
    settle();
    const plain_client later(listener.local_endpoint());
    EXPECT_TRUE(acceptor.get().is_open());
}

TEST_F(tcp_listener, what_went_wrong_with_one_connection_is_skipped) {
    net::tcp_listener listener("127.0.0.1:0");
    const plain_client client(listener.local_endpoint());
    for (const int error : {ECONNABORTED, EINTR, ENETDOWN, EPROTO, EHOSTUNREACH}) {
        fail_next_accepts(error, 1);
        const int before = calls().accept4;
        EXPECT_FALSE(listener.accept().native_handle() < 0);
        EXPECT_EQ(calls().accept4 - before, 2);
        const plain_client next(listener.local_endpoint());
    }
    while (listener.try_accept()) {
    }
}

TEST_F(tcp_listener, a_lack_of_descriptors_is_an_error) {
    net::tcp_listener listener("127.0.0.1:0");
    const failing_accepts none(EMFILE);
    const auto e = thrown_by<std::system_error>([&listener] { listener.accept(); });
    EXPECT_EQ(e.code(), std::errc::too_many_files_open);
    EXPECT_NE(std::string(e.what()).find(listener.local_endpoint().to_string()), std::string::npos)
        << e.what();
}

TEST_F(tcp_listener, a_taken_port_is_an_error_that_names_it) {
    const net::tcp_listener first("127.0.0.1:0");
    const auto there = first.local_endpoint();
    const auto e =
        thrown_by<std::system_error>([&there] { const net::tcp_listener second(there); });
    EXPECT_EQ(e.code(), std::errc::address_in_use);
    EXPECT_NE(std::string(e.what()).find("bind to " + there.to_string()), std::string::npos);
}

TEST_F(tcp_listener, several_may_share_a_port_when_asked) {
    const net::tcp_listener first("127.0.0.1:0", {.reuse_port = true});
    const net::tcp_listener second(first.local_endpoint(), {.reuse_port = true});
    EXPECT_EQ(second.local_endpoint(), first.local_endpoint());
}

TEST_F(tcp_listener, takes_a_blocking_listener_over_without_blocking_the_thread) {
    net::tcp_listener made("127.0.0.1:0");
    const int fd = made.release();
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    net::tcp_listener listener(fd);
    auto acceptor = ramie::spawn([&listener] { return listener.accept(); });
    settle();
    const plain_client client(listener.local_endpoint());
    EXPECT_TRUE(acceptor.get().no_delay());
}

TEST_F(tcp_listener, many_connections_cost_no_accept_in_vain_but_the_last) {
    net::tcp_listener listener("127.0.0.1:0");
    std::vector<std::unique_ptr<plain_client>> clients;
    for (int i = 0; i != 20; ++i)
        clients.push_back(std::make_unique<plain_client>(listener.local_endpoint()));
    const int before = calls().accept4;
    for (int i = 0; i != 20; ++i) EXPECT_TRUE(listener.accept(1s).is_open());
    EXPECT_EQ(calls().accept4 - before, 20);
}

}  // namespace
