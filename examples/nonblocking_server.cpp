// An echo server that asks every client in turn and takes EAGAIN for an answer: non-blocking
// sockets, a list of connections, and no call that waits for them.
//
//     nonblocking_server --port 7000 --report
//
// Who has asked for non-blocking gets EAGAIN from the patched calls as from libc's: with --plain,
// when nothing is patched, the server does the same, but no other fiber runs beside it.

#include <unistd.h>

#include <list>

#include "echo_clients.hpp"

namespace {

[[noreturn]] int serve(echo_clients& clients) {
    std::list<int> connections;
    for (;;) {
        bool idle = true;
        for (int fd; (fd = clients.accept()) >= 0; idle = false) connections.push_back(fd);
        connections.remove_if([&](int fd) {
            const progress last = clients.go_on(fd);
            if (last != progress::must_wait) idle = false;
            if (last == progress::made || last == progress::must_wait) return false;
            clients.close(fd, last);
            return true;
        });
        usleep(idle ? 1000 : 0);  // 0 lets the other fibers run
    }
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("An echo server on non-blocking sockets that are asked in turn");
    return run_echo_server(app, argc, argv, serve);
} catch (const std::exception& error) {
    return complain(error);
}
