// The same echo server in plain libc calls, patched: a fiber for each connection.
//
//     ramie_patched_echo --port 0      prints "listening PORT", serves 127.0.0.1 until SIGTERM

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>

#include "command_line.hpp"

namespace {

void echo(int peer) {
    char buffer[512];
    ssize_t size;
    while ((size = recv(peer, buffer, sizeof buffer, 0)) > 0)
        if (send(peer, buffer, static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) break;
    close(peer);
}

void require(bool worked, const char* what) {
    if (worked) return;
    std::perror(what);
    std::exit(EXIT_FAILURE);
}

int listen_on(std::uint16_t port) {
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    require(fd >= 0, "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const where = reinterpret_cast<sockaddr*>(&address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    require(bind(fd, where, size) == 0, "bind");
    require(listen(fd, SOMAXCONN) == 0, "listen");
    require(getsockname(fd, where, &size) == 0, "getsockname");
    say_listening(ntohs(address.sin_port));
    return fd;
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint16_t port = port_argument(argc, argv);
    ramie::monkey::patch_all();
    const int listener = listen_on(port);
    for (;;) {
        const int on = 1;
        const int peer = accept(listener, nullptr, nullptr);
        require(peer >= 0, "accept");
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ramie::spawn(&echo, peer);
    }
}
