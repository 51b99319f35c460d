// The loop of an echo server that is told who is ready.
//
//     poll_set told_by;                    // or another one that has add, modify, remove, again,
//     wait return serve_readiness(told_by, clients);
//
// `add` and `modify` take the descriptor and what is awaited, POLLIN or POLLOUT; `wait` returns who
// is ready; `again` says that one was left before there was nothing more to do for him.

#pragma once

#include "echo_clients.hpp"

struct readiness {
    int fd;
    bool is_broken;  // POLLERR, POLLHUP: nobody is there to be answered
};

// A bounded number of steps: the one who sends most must not have the server for himself.
template <class Interest>
progress serve_client(Interest& interest, echo_clients& clients, int fd) {
    const short before = clients.awaited(fd);
    progress last = progress::made;
    for (int steps = 16; steps != 0 && last == progress::made; --steps) last = clients.go_on(fd);
    if (last == progress::made) interest.again(fd);
    if (clients.awaited(fd) != before) interest.modify(fd, clients.awaited(fd));
    return last;
}

template <class Interest>
[[noreturn]] int serve_readiness(Interest& interest, echo_clients& clients) {
    interest.add(clients.listener(), POLLIN);
    for (;;) {
        for (const auto [fd, is_broken] : interest.wait()) {
            if (fd == clients.listener()) {
                for (int added; (added = clients.accept()) >= 0;) interest.add(added, POLLIN);
            } else if (clients.contains(fd)) {  // he may have left since
                const progress last =
                    is_broken ? progress::broken : serve_client(interest, clients, fd);
                if (last == progress::made || last == progress::must_wait) continue;
                interest.remove(fd);
                clients.close(fd, last);
            }
        }
    }
}
