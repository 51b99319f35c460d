// A TCP connection when things go wrong, or take too long.

#include <algorithm>
#include <csignal>
#include <memory>
#include <vector>

#include "counted_calls.hpp"
#include "loopback.hpp"
#include "ramie/event.hpp"
#include "ramie/net/stream.hpp"
#include "ramie/post.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"
#include "support/channels.hpp"

namespace {

using namespace ramie::test;
namespace net = ramie::net;
using tcp_stream_fault = fiber_test;

// Fills what the kernel takes from `writer` while nobody reads; returns how much that was.
std::size_t fill(net::tcp_stream& writer, ramie::deadline until) {
    const std::string block = pattern(64 << 10);
    std::size_t sent = 0;
    try {
        for (;;) sent += writer.write_some(block, until);
    } catch (const ramie::timeout_expired&) {
        return sent;
    }
}

bool mentions(const std::exception& e, const std::string& text) {
    return std::string_view(e.what()).find(text) != std::string_view::npos;
}

TEST_F(tcp_stream_fault, a_refused_connection_names_the_call_the_peer_and_the_reason) {
    const int bound = open_bound(AF_INET, SOCK_STREAM);  // does not listen
    const address at = address_of(bound);
    const net::endpoint nobody("127.0.0.1",
                               ntohs(reinterpret_cast<const sockaddr_in*>(at.get())->sin_port));
    const auto e =
        thrown_by<std::system_error>([&nobody] { net::tcp_stream::connect(nobody, 5s); });
    EXPECT_EQ(e.code(), std::errc::connection_refused);
    EXPECT_TRUE(mentions(e, "connect to " + nobody.to_string())) << e.what();
    ::close(bound);
}

TEST_F(tcp_stream_fault, a_connect_without_an_answer_ends_at_its_deadline) {
    // A full backlog: the kernel drops the SYN of those who come later.
    net::tcp_listener listener("127.0.0.1:0", {.backlog = 0});
    const auto there = listener.local_endpoint();
    const plain_client first(there);
    ramie::testing::virtual_clock clock;
    std::vector<net::tcp_stream> waiting;
    const auto e = thrown_by<ramie::timeout_expired>([&] {
        for (;;) waiting.push_back(net::tcp_stream::connect(there, 1min));
    });
    EXPECT_TRUE(mentions(e, "connect to " + there.to_string())) << e.what();
    EXPECT_GE(clock.elapsed(), 1min);
}

TEST_F(tcp_stream_fault, a_read_ends_at_its_deadline_and_the_stream_goes_on) {
    ramie::testing::virtual_clock clock;
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    const auto e = thrown_by<ramie::timeout_expired>([&] { c.server.read_some(buffer, 1h); });
    EXPECT_EQ(e.code(), std::errc::timed_out);
    EXPECT_TRUE(mentions(e, "read from " + c.server.remote_endpoint().to_string())) << e.what();
    EXPECT_GE(clock.elapsed(), 1h);
    c.client.write_all("x");
    EXPECT_EQ(c.server.read_some(buffer), 1U);
}

TEST_F(tcp_stream_fault, a_deadline_that_has_passed_still_takes_what_is_there) {
    auto c = connect_to_self();
    std::array<char, 8> buffer;
    EXPECT_THROW(c.server.read_some(buffer, 0s), ramie::timeout_expired);
    c.client.write_all("x");
    EXPECT_EQ(c.server.read_some(buffer, 0s), 1U);
    c.client.write_all("y");
    EXPECT_EQ(c.server.read_some(buffer, 0s), 1U);
}

TEST_F(tcp_stream_fault, read_exactly_has_one_deadline_for_all_its_parts) {
    ramie::testing::virtual_clock clock;
    auto c = connect_to_self();
    auto drip = ramie::spawn([&] {
        for (int i = 0; i != 100; ++i) {
            ramie::this_fiber::sleep_for(1s);
            c.client.write_all("x");
        }
    });
    std::array<char, 100> buffer;
    EXPECT_THROW(c.server.read_exactly(buffer, 10s), ramie::timeout_expired);
    EXPECT_GE(clock.elapsed(), 10s);
    EXPECT_LT(clock.elapsed(), 12s);
    drip.kill();
}

TEST_F(tcp_stream_fault, a_slow_reader_holds_the_writer_up_with_bounded_memory) {
    ramie::testing::virtual_clock clock;
    auto c = connect_to_self();
    c.client.send_buffer(8 << 10);
    c.server.receive_buffer(8 << 10);
    const std::size_t taken = fill(c.client, 30s);
    EXPECT_GE(clock.elapsed(), 30s);
    EXPECT_GT(taken, 0U);
    EXPECT_LT(taken, std::size_t{1} << 20);
    // Nothing of it is lost, and the writer goes on once there is room.
    auto writer = ramie::spawn([&] { c.client.write_all("end"); });
    std::string got(taken + 3, '\0');
    c.server.read_exactly(std::span(got));
    EXPECT_TRUE(got.ends_with("end"));
    writer.get();
}

TEST_F(tcp_stream_fault, a_reset_reaches_the_reader_and_then_the_writer) {
    net::tcp_listener listener("127.0.0.1:0");
    plain_client client(listener.local_endpoint());
    net::tcp_stream server = listener.accept();
    client.send("half a mess");
    std::array<char, 64> buffer;
    EXPECT_EQ(server.read_some(buffer), 11U);
    auto reader =
        ramie::spawn([&server, &buffer] { server.read_exactly(std::span(buffer).first(3)); });
    settle();
    client.reset();
    const auto read = thrown_by<std::system_error>([&reader] { reader.get(); });
    EXPECT_EQ(read.code(), std::errc::connection_reset);
    EXPECT_TRUE(mentions(read, server.remote_endpoint().to_string())) << read.what();
    const auto write = thrown_by<std::system_error>([&server] { server.write_all("x"); });
    EXPECT_EQ(write.code(), std::errc::broken_pipe);
    EXPECT_TRUE(mentions(write, server.remote_endpoint().to_string())) << write.what();
}

TEST_F(tcp_stream_fault, a_reset_wakes_a_writer_that_waits) {
    net::tcp_listener listener("127.0.0.1:0");
    plain_client client(listener.local_endpoint());
    net::tcp_stream server = listener.accept();
    auto writer = ramie::spawn([&server] { server.write_all(pattern(64 << 20)); });
    settle();
    EXPECT_FALSE(writer.ready());
    client.reset();
    EXPECT_EQ(thrown_by<std::system_error>([&writer] { writer.get(); }).code(),
              std::errc::connection_reset);
}

TEST_F(tcp_stream_fault, a_broken_pipe_is_an_error_and_no_signal) {
    std::signal(SIGPIPE, SIG_DFL);
    auto c = connect_to_self();
    c.server.close();
    EXPECT_THROW(
        {
            for (;;) c.client.write_all("x");
        },
        std::system_error);
}

TEST_F(tcp_stream_fault, a_second_reader_is_refused_and_the_first_goes_on) {
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    auto first = ramie::spawn([&] { return c.server.read_some(buffer); });
    settle();
    std::array<char, 1> other;
    const auto e = thrown_by<std::system_error>([&] { c.server.read_some(other); });
    EXPECT_EQ(e.code(), std::errc::device_or_resource_busy);
    EXPECT_TRUE(mentions(e, "another fiber")) << e.what();
    c.server.write_all("a writer is welcome");
    c.client.write_all("x");
    EXPECT_EQ(first.get(), 1U);
    c.client.write_all("y");
    EXPECT_EQ(c.server.read_some(other), 1U);
}

TEST_F(tcp_stream_fault, a_second_writer_is_refused_even_when_the_first_was_woken_already) {
    auto c = connect_to_self();
    const std::string message = pattern(32 << 20);
    auto first = ramie::spawn([&] { c.client.write_all(message); });
    auto second = ramie::spawn([&] {
        while (!first.ready()) {
            const auto e = thrown_by<std::system_error>([&] { c.client.write_all("!"); });
            EXPECT_EQ(e.code(), std::errc::device_or_resource_busy);
            ramie::this_fiber::yield();
        }
    });
    std::string got(message.size(), '\0');
    c.server.read_exactly(std::span(got));
    EXPECT_TRUE(got == message);
    first.get();
    second.get();
}

TEST_F(tcp_stream_fault, close_wakes_reader_and_writer_with_ebadf) {
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    auto reader = ramie::spawn([&] { c.client.read_some(buffer); });
    auto writer = ramie::spawn([&] { c.client.write_all(pattern(64 << 20)); });
    settle();
    c.client.close();
    for (auto* fiber : {&reader, &writer}) {
        const auto e = thrown_by<std::system_error>([fiber] { fiber->get(); });
        EXPECT_EQ(e.code(), std::errc::bad_file_descriptor);
        EXPECT_TRUE(mentions(e, "closed")) << e.what();
    }
    EXPECT_EQ(thrown_by<std::system_error>([&] { c.client.read_some(buffer); }).code(),
              std::errc::bad_file_descriptor);
}

TEST_F(tcp_stream_fault, the_stream_may_be_gone_when_its_reader_wakes) {
    auto c = connect_to_self();
    auto gone = std::make_unique<net::tcp_stream>(std::move(c.server));
    auto reader = ramie::spawn([stream = gone.get()] {
        std::array<char, 1> buffer;
        stream->read_some(buffer);
    });
    settle();
    gone.reset();
    EXPECT_EQ(thrown_by<std::system_error>([&reader] { reader.get(); }).code(),
              std::errc::bad_file_descriptor);
}

TEST_F(tcp_stream_fault, a_reused_number_is_not_taken_for_the_closed_stream) {
    auto c = connect_to_self();
    auto first = connect_to_self();
    auto other = connect_to_self();
    other.client.write_all("private");
    wait_until([&] { return unread(other.server) == 7; });
    std::array<char, 16> buffer;
    int number = -1;
    auto closer = ramie::spawn([&] {
        first.server.read_some(std::span(buffer));
        number = c.server.native_handle();
        c.server.close();
        ASSERT_EQ(::dup2(other.server.native_handle(), number), number);
    });
    auto reader = ramie::spawn([&] { c.server.read_some(buffer); });
    settle();
    // Both wake in one poll: the reader's event is there already when the other fiber closes.
    first.client.write_all("x");
    c.client.write_all("x");
    EXPECT_EQ(thrown_by<std::system_error>([&] { reader.get(); }).code(),
              std::errc::bad_file_descriptor);
    EXPECT_EQ(unread(other.server), 7);
    closer.get();
    ::close(number);
}

TEST_F(tcp_stream_fault, a_closed_stream_can_be_opened_again_by_assignment) {
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    auto reader = ramie::spawn([&] { c.server.read_some(buffer); });
    settle();
    c.server.close();
    reader.join();
    auto again = connect_to_self();
    c.server = std::move(again.server);
    again.client.write_all("x");
    EXPECT_EQ(c.server.read_some(buffer), 1U);
}

TEST_F(tcp_stream_fault, a_killed_reader_unwinds_and_the_stream_goes_on) {
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    bool unwound = false;
    auto reader = ramie::spawn([&] {
        struct guard {
            bool& flag;
            ~guard() { flag = true; }
        } const g{unwound};
        c.server.read_some(buffer);
    });
    settle();
    EXPECT_TRUE(reader.kill());
    EXPECT_TRUE(unwound);
    EXPECT_TRUE(reader.successful());
    c.client.write_all("x");
    EXPECT_EQ(c.server.read_some(buffer), 1U);
}

TEST_F(tcp_stream_fault, a_reader_that_never_waits_can_be_killed) {
    auto c = connect_to_self();
    auto feeder = ramie::spawn([&] {
        const std::string block = pattern(64 << 10);
        for (;;) c.client.write_all(block);
    });
    auto reader = ramie::spawn([&] {
        std::array<char, 16> buffer;
        for (;;) c.server.read_exactly(buffer);
    });
    settle();
    EXPECT_TRUE(reader.kill());
    feeder.kill();
}

TEST_F(tcp_stream_fault, a_timeout_scope_breaks_a_read) {
    ramie::testing::virtual_clock clock;
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    ramie::timeout limit(5s);
    const auto e = thrown_by<ramie::timeout_expired>([&] { c.server.read_some(buffer); });
    EXPECT_TRUE(limit.owns(e));
}

TEST_F(tcp_stream_fault, the_loop_itself_must_not_wait_for_a_stream) {
    auto c = connect_to_self();
    ramie::event done;
    std::string said;
    ramie::post(ramie::this_scheduler(), [&] {
        std::array<char, 1> buffer;
        said = thrown_by<std::logic_error>([&] { c.server.read_some(buffer); }).what();
        done.set();
    });
    done.wait();
    EXPECT_NE(said.find("would block the loop"), std::string::npos) << said;
}

TEST_F(tcp_stream_fault, a_waiting_request_costs_one_recv_and_one_send) {
    auto c = connect_to_self();
    auto echoing = ramie::spawn(&echo, std::move(c.server));
    std::array<char, 64> buffer;
    const auto ask = [&] {
        c.client.write_all(std::span(buffer));
        c.client.read_exactly(buffer);
    };
    buffer.fill('x');
    ask();
    const auto before = calls();
    for (int i = 0; i != 100; ++i) ask();
    // Both ends are ours: for each request two of each, and not one that finds nothing. The
    // buffer of the client is full after each answer, so it asks once in vain.
    EXPECT_EQ(calls().send - before.send, 200);
    EXPECT_EQ(calls().recv - before.recv, 300);
    c.client.close();
    echoing.join();
}

}  // namespace
