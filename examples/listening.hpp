// A listening socket of a program in plain libc calls, and what may go wrong with one.
//
//     const int listener = listen_on(7000);       // says where; 0: a port that is free
//     for (;;) {
//         const int peer = accept(listener, nullptr, nullptr);
//         if (peer < 0 && !survive_failed_accept()) break;
//     }
//
// What cannot go on says why on stderr and ends the process with 1.

#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "complain.hpp"

[[noreturn]] inline void fail(const char* call) {
    std::perror(call);
    std::exit(1);
}

// `host` is a number, such as 127.0.0.1.
inline sockaddr_in address_of(const std::string& host, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = inet_addr(host.c_str());
    address.sin_port = htons(port);
    return address;
}

inline const sockaddr* as_generic(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

inline int bound_socket(int type, const sockaddr_in& where) {
    const int bound = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (bound < 0) fail("socket");
    const int on = 1;
    // Of datagrams it would let a second program take the address.
    if (type == SOCK_STREAM) setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(bound, as_generic(where), sizeof where) != 0) fail("bind");
    return bound;
}

// For who waits to connect, and to know that he can.
inline void say_where(int bound) {
    sockaddr_in where{};
    socklen_t size = sizeof where;
    if (getsockname(bound, reinterpret_cast<sockaddr*>(&where), &size) != 0) fail("getsockname");
    std::printf("listening on %s:%d\n", inet_ntoa(where.sin_addr), ntohs(where.sin_port));
    std::fflush(stdout);
}

inline int listen_on(std::uint16_t port, const std::string& host = "127.0.0.1") {
    const int listener = bound_socket(SOCK_STREAM, address_of(host, port));
    const int on = 1;
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // what it accepts inherits it
    if (listen(listener, SOMAXCONN) != 0) fail("listen");
    say_where(listener);
    return listener;
}

// Mostly EMFILE: no descriptor is left. New clients wait until others have gone. A connection that
// was broken before it was accepted is no reason to wait, and a bad listener none to go on. False
// when the fiber is to end.
[[nodiscard]] inline bool survive_failed_accept() {
    if (errno == ECANCELED) return false;
    if (errno == ECONNABORTED || errno == EPROTO) return true;
    if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) fail("accept");
    std::perror("accept");
    usleep(200'000);
    return true;
}
