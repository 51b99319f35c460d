#include "ramie/net/stream.hpp"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "loopback.hpp"
#include "ramie/testing.hpp"

namespace {

using namespace ramie::test;
namespace net = ramie::net;
using tcp_stream = fiber_test;

TEST_F(tcp_stream, carries_bytes_both_ways) {
    auto c = connect_to_self();
    c.client.write_all("ping");
    std::array<char, 4> buffer;
    c.server.read_exactly(buffer);
    EXPECT_EQ(std::string_view(buffer.data(), 4), "ping");
    c.server.write_all(std::span(buffer).first(2));
    EXPECT_EQ(c.client.read_some(std::as_writable_bytes(std::span(buffer))), 2U);
    EXPECT_EQ(std::string_view(buffer.data(), 2), "pi");
}

TEST_F(tcp_stream, a_reader_lets_the_other_fibers_run) {
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    auto reader = ramie::spawn([&] { c.server.read_exactly(buffer); });
    settle();
    EXPECT_FALSE(reader.ready());
    c.client.write_all("x");
    EXPECT_TRUE(reader.join());
}

TEST_F(tcp_stream, read_some_returns_zero_at_end_of_stream_again_and_again) {
    auto c = connect_to_self();
    c.client.write_all("bye");
    c.client.close();
    std::array<char, 16> buffer;
    EXPECT_EQ(c.server.read_some(buffer), 3U);
    EXPECT_EQ(c.server.read_some(buffer), 0U);
    EXPECT_EQ(c.server.read_some(buffer), 0U);
}

TEST_F(tcp_stream, an_end_that_comes_after_a_short_read_is_seen) {
    auto c = connect_to_self();
    std::array<char, 16> buffer;
    c.client.write_all("bye");
    EXPECT_EQ(c.server.read_some(buffer), 3U);
    auto reader = ramie::spawn([&] { return c.server.read_some(buffer); });
    settle();
    c.client.close();
    EXPECT_EQ(reader.get(), 0U);
}

TEST_F(tcp_stream, reads_exact_sizes_whatever_the_pieces) {
    auto c = connect_to_self();
    const std::string sent = pattern(100'000);
    auto writer = ramie::spawn([&] {
        for (std::size_t at = 0, size = 1; at < sent.size(); at += size, size = size * 2 % 997)
            c.client.write_all(std::string_view(sent).substr(at, size));
    });
    std::string got;
    for (std::size_t size = 1; got.size() != sent.size();
         size = std::min(size * 3 % 1009, sent.size() - got.size())) {
        std::string part(size, '\0');
        c.server.read_exactly(std::span(part));
        got += part;
    }
    EXPECT_EQ(got, sent);
    writer.get();
}

TEST_F(tcp_stream, read_exactly_tells_how_much_came_before_the_end) {
    auto c = connect_to_self();
    c.client.write_all("abc");
    c.client.close();
    std::array<char, 10> buffer;
    const auto e = thrown_by<net::end_of_stream>([&] { c.server.read_exactly(buffer); });
    EXPECT_EQ(e.bytes_read(), 3U);
    EXPECT_EQ(std::string_view(buffer.data(), 3), "abc");
    EXPECT_NE(std::string(e.what()).find("3 of 10 bytes"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find(c.server.remote_endpoint().to_string()),
              std::string::npos);
}

TEST_F(tcp_stream, carries_16_mib_both_ways_at_once) {
    auto c = connect_to_self();
    constexpr std::size_t size = 16 << 20;
    const std::string up = pattern(size, 1);
    const std::string down = pattern(size, 2);
    std::string up_got(size, '\0');
    std::string down_got(size, '\0');
    const std::vector<ramie::fiber<>> all = {
        ramie::spawn([&] { c.client.write_all(up); }),
        ramie::spawn([&] { c.server.write_all(down); }),
        ramie::spawn([&] { c.server.read_exactly(std::span(up_got)); }),
        ramie::spawn([&] { c.client.read_exactly(std::span(down_got)); })};
    ramie::join_all(all, ramie::on_error::rethrow);
    EXPECT_TRUE(up == up_got);
    EXPECT_TRUE(down == down_got);
}

TEST_F(tcp_stream, half_close_leaves_the_other_direction_open) {
    auto c = connect_to_self();
    c.client.write_all("question");
    c.client.shutdown(net::side::write);
    std::array<char, 64> buffer;
    EXPECT_EQ(c.server.read_some(buffer), 8U);
    EXPECT_EQ(c.server.read_some(buffer), 0U);
    for (int i = 0; i != 100; ++i) {
        c.server.write_all("answer");
        c.client.read_exactly(std::span(buffer).first(6));
    }
    c.server.shutdown(net::side::write);
    EXPECT_EQ(c.client.read_some(buffer), 0U);
    const auto e = thrown_by<std::system_error>([&] { c.client.write_all("x"); });
    EXPECT_EQ(e.code(), std::errc::broken_pipe);
}

TEST_F(tcp_stream, shutdown_of_the_reading_side_wakes_the_reader) {
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    auto reader = ramie::spawn([&] { return c.server.read_some(buffer); });
    settle();
    c.server.shutdown(net::side::read);
    EXPECT_EQ(reader.get(), 0U);
}

TEST_F(tcp_stream, knows_both_of_its_ends) {
    auto c = connect_to_self();
    EXPECT_EQ(c.client.remote_endpoint(), c.server.local_endpoint());
    EXPECT_EQ(c.server.remote_endpoint(), c.client.local_endpoint());
}

TEST_F(tcp_stream, speaks_ipv6) {
    net::tcp_listener listener("[::1]:0");
    auto client = net::tcp_stream::connect(listener.local_endpoint());
    EXPECT_EQ(listener.accept().remote_endpoint(), client.local_endpoint());
}

TEST_F(tcp_stream, sends_at_once_by_default_on_both_ends) {
    auto c = connect_to_self();
    EXPECT_TRUE(c.client.no_delay());
    EXPECT_TRUE(c.server.no_delay());
    c.client.no_delay(false);
    EXPECT_FALSE(c.client.no_delay());
}

TEST_F(tcp_stream, has_the_options_it_is_given) {
    auto c = connect_to_self();
    EXPECT_FALSE(c.client.keep_alive());
    c.client.keep_alive(true);
    EXPECT_TRUE(c.client.keep_alive());
    EXPECT_EQ(c.client.linger(), std::nullopt);
    c.client.linger(7s);
    EXPECT_EQ(c.client.linger(), 7s);
    c.client.linger(std::nullopt);
    EXPECT_EQ(c.client.linger(), std::nullopt);
    c.client.receive_buffer(20'000);
    EXPECT_EQ(c.client.receive_buffer(), 40'000);  // the kernel doubles it
    c.client.send_buffer(30'000);
    EXPECT_EQ(c.client.send_buffer(), 60'000);
}

TEST_F(tcp_stream, is_non_blocking_and_closed_on_exec) {
    auto c = connect_to_self();
    for (const net::tcp_stream* s : {&c.client, &c.server}) {
        EXPECT_NE(::fcntl(s->native_handle(), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(::fcntl(s->native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    }
}

TEST_F(tcp_stream, moves_and_leaves_nothing_behind) {
    auto c = connect_to_self();
    net::tcp_stream moved = std::move(c.client);
    EXPECT_FALSE(c.client.is_open());
    moved.write_all("x");
    const int fd = moved.native_handle();
    c.client = std::move(moved);
    EXPECT_EQ(c.client.native_handle(), fd);
    c.client = net::tcp_stream();
    std::array<char, 2> buffer;
    EXPECT_EQ(c.server.read_some(buffer), 1U);
    EXPECT_EQ(c.server.read_some(buffer), 0U);  // the assignment closed it
}

TEST_F(tcp_stream, gives_its_descriptor_away_and_takes_one_over) {
    auto c = connect_to_self();
    const auto there = c.client.remote_endpoint();
    const int fd = c.client.release();
    EXPECT_FALSE(c.client.is_open());
    EXPECT_EQ(c.client.release(), -1);
    net::tcp_stream again(fd);
    EXPECT_EQ(again.remote_endpoint(), there);
    again.write_all("x");
    std::array<char, 1> buffer;
    c.server.read_exactly(buffer);
}

TEST_F(tcp_stream, works_on_a_blocking_descriptor_without_blocking_the_thread) {
    net::tcp_listener listener("127.0.0.1:0");
    auto client = net::tcp_stream::connect(listener.local_endpoint());
    net::tcp_stream server(::accept(listener.native_handle(), nullptr, nullptr));
    std::array<char, 1> buffer;
    auto reader = ramie::spawn([&] { server.read_exactly(buffer); });
    settle();
    client.write_all("x");
    reader.get();
    EXPECT_EQ(::fcntl(server.native_handle(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(tcp_stream, works_without_run_on_any_thread) {
    std::thread([] {
        auto c = connect_to_self();
        c.client.write_all("x");
        std::array<char, 1> buffer;
        c.server.read_exactly(buffer);
        EXPECT_EQ(buffer[0], 'x');
    }).join();
}

TEST_F(tcp_stream, may_be_used_by_one_thread_after_the_other) {
    net::tcp_stream kept;
    plain_client* peer = nullptr;
    net::tcp_listener listener("127.0.0.1:0");
    plain_client client(listener.local_endpoint());
    peer = &client;
    ramie::run([&] {
        kept = listener.accept();
        peer->send("a");
        std::array<char, 8> buffer;
        EXPECT_EQ(kept.read_some(buffer), 1U);
    });
    std::thread([&] {
        ramie::run([&] {
            std::array<char, 8> buffer;
            auto reader = ramie::spawn([&] { return kept.read_some(buffer); });
            settle();
            peer->send("b");
            EXPECT_EQ(reader.get(), 1U);
            EXPECT_EQ(buffer[0], 'b');
        });
    }).join();
}

TEST_F(tcp_stream, an_empty_read_or_write_does_nothing) {
    auto c = connect_to_self();
    EXPECT_EQ(c.client.read_some(std::span<char>()), 0U);
    c.client.write_all("");
    c.client.read_exactly(std::span<char>());
}

TEST_F(tcp_stream, a_flood_starves_no_other_fiber) {
    auto c = connect_to_self();
    c.client.write_all(pattern(32 << 10));
    wait_until([&] { return unread(c.server) == 32 << 10; });
    std::size_t turns = 0;
    bool done = false;
    auto other = ramie::spawn([&] {
        for (; !done; ++turns) ramie::this_fiber::yield();
    });
    std::array<char, 32> buffer;  // the next bytes are always there: it never has to wait
    for (int i = 0; i != 1024; ++i) c.server.read_exactly(buffer);
    done = true;
    EXPECT_GE(turns, 10U);
    other.join();
}

}  // namespace
