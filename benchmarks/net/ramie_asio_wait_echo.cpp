// The same echo server on fibers that wait for each request in Asio's reactor: what ramie would
// cost if it had none of its own (docs/decisions/0002).
//
//     ramie_asio_wait_echo --port 0      prints "listening PORT", serves 127.0.0.1 until SIGTERM

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <ramie/asio.hpp>
#include <ramie/fiber.hpp>
#include <ramie/run.hpp>
#include <utility>

#include "command_line.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// False when the peer has gone. Waits only for a full socket.
bool send_all(tcp::socket& peer, asio::const_buffer data) {
    while (data.size() != 0) {
        error_code error;
        data += peer.send(data, 0, error);
        if (error == asio::error::would_block)
            peer.async_wait(tcp::socket::wait_write, ramie::use_fiber);
        else if (error)
            return false;
    }
    return true;
}

void echo(tcp::socket peer) {
    std::array<char, 512> buffer;
    for (;;) {
        error_code error;
        peer.async_wait(tcp::socket::wait_read, ramie::use_fiber);
        const std::size_t size = peer.receive(asio::buffer(buffer), 0, error);
        if (error == asio::error::would_block) continue;
        if (error || !send_all(peer, asio::buffer(buffer, size))) return;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint16_t port = port_argument(argc, argv);
    return ramie::run([port] {
        tcp::acceptor acceptor(ramie::this_io_context(), {asio::ip::address_v4::loopback(), port});
        say_listening(acceptor.local_endpoint().port());
        for (;;) {
            tcp::socket peer = acceptor.async_accept(ramie::use_fiber);
            peer.set_option(tcp::no_delay(true));
            peer.non_blocking(true);
            ramie::spawn(&echo, std::move(peer));
        }
    });
}
