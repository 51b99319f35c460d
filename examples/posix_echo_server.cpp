// An echo server in plain libc calls. Patched, its accept loop and every connection are fibers of
// one thread.
//
//     posix_echo_server --port 7000 &
//     nc 127.0.0.1 7000
//     posix_echo_server --port 7000 --plain     nothing is patched: one client after the other
//
// SIGTERM and Ctrl-C end the process at once, as they do by default.

#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>

#include "listening.hpp"

namespace {

// The buffer is what an idle connection costs: it shares the one page of stack that is in use.
void echo(int peer) {
    char buffer[512];
    for (ssize_t got; (got = recv(peer, buffer, sizeof buffer, 0)) > 0;) {
        if (send(peer, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) < 0) break;
    }
    close(peer);
}

// Mostly ENOMEM: there is no memory for one more stack. This client is turned away, the others are
// served on.
void start(int peer) {
    try {
        ramie::spawn(echo, peer);
        // Unpatched, accept would never let it begin, and it does not wait for others once it has.
        ramie::this_fiber::yield();
    } catch (const std::exception& e) {
        std::fprintf(stderr, "refused a connection: %s\n", e.what());
        close(peer);
    }
}

void serve(int listener) {
    for (;;) {
        const int peer = accept(listener, nullptr, nullptr);
        if (peer >= 0)
            start(peer);
        else if (!survive_failed_accept())
            return;
    }
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("An echo server in plain libc calls, on fibers");
    std::uint16_t port = 0;
    app.add_option("--port", port, "0: one that is free")->capture_default_str();
    bool plain = false;
    app.add_flag("--plain", plain, "leave the calls of libc as they are: clients take turns");
    CLI11_PARSE(app, argc, argv);

    if (!plain) ramie::monkey::patch_all();
    return ramie::run([port] { serve(listen_on(port)); });
} catch (const std::exception& error) {
    return complain(error);
}
