// The same echo server on the sockets of ramie::net: a fiber for each connection.
//
//     ramie_native_echo --port 0      prints "listening PORT", serves 127.0.0.1 until SIGTERM

#include <array>
#include <ramie/fiber.hpp>
#include <ramie/net/socket.hpp>
#include <ramie/run.hpp>
#include <span>

#include "command_line.hpp"

namespace {

void echo(ramie::net::tcp_stream peer) {
    std::array<std::byte, 512> buffer;
    while (const std::size_t size = peer.read_some(buffer))
        peer.write_all(std::span(buffer).first(size));
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint16_t port = port_argument(argc, argv);
    return ramie::run([port] {
        ramie::net::tcp_listener listener({"127.0.0.1", port});
        say_listening(listener.local_endpoint().port());
        for (;;) ramie::spawn(&echo, listener.accept());
    });
}
