// Echoes every byte back. Try it: echo_server --port 7000, and then: nc 127.0.0.1 7000
#include <array>
#include <iostream>
#include <ramie/net/server.hpp>
#include <ramie/run.hpp>
#include <span>
#include <string>

#include "complain.hpp"

void echo(ramie::net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (auto n = peer.read_some(buffer)) peer.write_all(std::span(buffer).first(n));
}

int main(int argc, char** argv) try {
    const std::string port = argc == 3 && std::string(argv[1]) == "--port" ? argv[2] : "7000";
    return ramie::run([&port] {
        ramie::net::stream_server server("127.0.0.1:" + port, &echo);
        std::cout << "listening " << server.endpoint().port() << std::endl;
        server.serve();
    });
} catch (const std::exception& error) {
    return complain(error);
}
