// Asio's and Beast's own blocking algorithms over our streams: clients of the concept that nobody
// here wrote.

#include <boost/asio/completion_condition.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "loopback.hpp"
#include "ramie/net/stream.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"

namespace {

using namespace ramie::test;
namespace net = ramie::net;
using sync_stream = fiber_test;
namespace asio = boost::asio;
namespace http = boost::beast::http;

static_assert(boost::beast::is_sync_read_stream<net::tcp_stream>::value);
static_assert(boost::beast::is_sync_write_stream<net::tcp_stream>::value);

TEST_F(sync_stream, asio_reads_and_writes_over_it) {
    auto c = connect_to_self();
    const std::string sent = pattern(1 << 20);
    auto writer = ramie::spawn([&] { return asio::write(c.client, asio::buffer(sent)); });
    std::string got(sent.size(), '\0');
    EXPECT_EQ(asio::read(c.server, asio::buffer(got)), sent.size());
    EXPECT_TRUE(got == sent);
    EXPECT_EQ(writer.get(), sent.size());
}

TEST_F(sync_stream, gathers_and_scatters_sequences_of_buffers) {
    auto c = connect_to_self();
    const std::array<asio::const_buffer, 3> parts = {asio::buffer("ab", 2), asio::const_buffer(),
                                                     asio::buffer("cdef", 4)};
    EXPECT_EQ(c.client.write_some(parts), 6U);
    std::array<char, 3> head;
    std::array<char, 8> tail;
    wait_until([&] { return unread(c.server) == 6; });
    EXPECT_EQ(c.server.read_some(std::vector{asio::buffer(head), asio::buffer(tail)}), 6U);
    EXPECT_EQ(std::string(head.data(), 3) + std::string(tail.data(), 3), "abcdef");
}

TEST_F(sync_stream, the_end_of_the_stream_is_asios_eof) {
    auto c = connect_to_self();
    c.client.write_all("line\nrest");
    c.client.close();
    asio::streambuf text;
    EXPECT_EQ(asio::read_until(c.server, text, '\n'), 5U);
    boost::system::error_code error;
    asio::read(c.server, text, asio::transfer_all(), error);
    EXPECT_EQ(error, asio::error::eof);
    EXPECT_EQ(text.size(), 9U);
    std::array<char, 1> buffer;
    EXPECT_THROW(c.server.read_some(asio::buffer(buffer)), std::system_error);
}

TEST_F(sync_stream, errors_are_the_systems) {
    auto c = connect_to_self();
    c.server.linger(0s);
    c.server.close();
    std::array<char, 1> buffer;
    boost::system::error_code error;
    EXPECT_EQ(c.client.read_some(asio::buffer(buffer), error), 0U);
    EXPECT_EQ(error, asio::error::connection_reset);
    EXPECT_EQ(c.client.write_some(asio::buffer(buffer), error), 0U);
    EXPECT_EQ(error, asio::error::broken_pipe);
    const auto e = thrown_by<std::system_error>([&] { c.client.write_some(asio::buffer(buffer)); });
    EXPECT_NE(std::string(e.what()).find(c.client.remote_endpoint().to_string()),
              std::string::npos);
}

TEST_F(sync_stream, a_timeout_around_it_is_thrown_and_not_made_an_error_code) {
    ramie::testing::virtual_clock clock;
    auto c = connect_to_self();
    std::array<char, 1> buffer;
    boost::system::error_code error;
    const ramie::timeout limit(5s);
    EXPECT_THROW(asio::read(c.server, asio::buffer(buffer), error), ramie::timeout_expired);
}

TEST_F(sync_stream, beast_speaks_http_over_it) {
    auto c = connect_to_self();
    auto serving = ramie::spawn([&] {
        boost::beast::flat_buffer buffer;
        http::request<http::string_body> request;
        http::read(c.server, buffer, request);
        http::response<http::string_body> response(http::status::ok, 11);
        response.body() = "you asked for " + std::string(request.target());
        response.prepare_payload();
        http::write(c.server, response);
    });
    http::write(c.client, http::request<http::string_body>(http::verb::get, "/ramie", 11));
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(c.client, buffer, response);
    EXPECT_EQ(response.body(), "you asked for /ramie");
    serving.get();
}

}  // namespace
