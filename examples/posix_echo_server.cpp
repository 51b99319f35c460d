// An echo server in plain libc calls. Patched, its accept loop and every connection are fibers of
// one thread.
//
//     posix_echo_server --port 7000 &
//     nc 127.0.0.1 7000
//
// SIGTERM and Ctrl-C end the process at once, as they do by default.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>

namespace {

// The buffer is what an idle connection costs: it shares the one page of stack that is in use.
void echo(int peer) {
    char buffer[512];
    for (ssize_t got; (got = recv(peer, buffer, sizeof buffer, 0)) > 0;) {
        if (send(peer, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) < 0) break;
    }
    close(peer);
}

[[noreturn]] void fail(const char* call) {
    std::perror(call);
    std::exit(1);
}

// Mostly ENOMEM: there is no memory for one more stack. This client is turned away, the others are
// served on.
void start(int peer) {
    try {
        ramie::spawn(echo, peer);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "refused a connection: %s\n", e.what());
        close(peer);
    }
}

// Mostly EMFILE: no descriptor is left. New clients wait until others have gone. A connection that
// was broken before it was accepted is no reason to wait, and a bad listener none to go on.
void survive_failed_accept() {
    if (errno == ECONNABORTED || errno == EPROTO) return;
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) fail("accept");
    std::perror("accept");
    usleep(200'000);
}

void serve(int listener) {
    for (;;) {
        const int peer = accept(listener, nullptr, nullptr);
        if (peer >= 0)
            start(peer);
        else
            survive_failed_accept();
    }
}

int listen_on(std::uint16_t port) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0) fail("socket");
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // what it accepts inherits it
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(port);
    socklen_t size = sizeof where;
    auto* address = reinterpret_cast<sockaddr*>(&where);
    if (bind(listener, address, size) != 0) fail("bind");
    if (listen(listener, SOMAXCONN) != 0) fail("listen");
    if (getsockname(listener, address, &size) != 0) fail("getsockname");
    std::printf("listening on 127.0.0.1:%d\n", ntohs(where.sin_port));
    std::fflush(stdout);
    return listener;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("An echo server in plain libc calls, on fibers");
    std::uint16_t port = 0;
    app.add_option("--port", port, "0: one that is free")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    ramie::monkey::patch_all();
    return ramie::run([port] { serve(listen_on(port)); });
}
