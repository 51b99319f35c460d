#include "support/channels.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace ramie::test {

const char* name_of(channel c) {
    switch (c) {
        case channel::tcp:
            return "tcp";
        case channel::unix_stream:
            return "unix_stream";
        case channel::pair:
            return "socketpair";
        case channel::udp:
            return "udp";
        case channel::unix_datagram:
            return "unix_datagram";
        case channel::datagram_pair:
            return "datagram_pair";
        case channel::pipe:
            return "pipe";
    }
    return "";
}

int must(const char* call, long result) {
    if (result >= 0) return static_cast<int>(result);
    std::fprintf(stderr, "preparing a test: %s: %s\n", call, std::strerror(errno));
    std::abort();
}

int open_bound(int domain, int type) {
    const int fd = must("socket", ::socket(domain, type, 0));
    address a;
    a.storage.ss_family = static_cast<sa_family_t>(domain);
    a.length = sizeof(sa_family_t);  // a unix socket: the kernel makes up an abstract name
    if (domain == AF_INET) {
        auto& in = reinterpret_cast<sockaddr_in&>(a.storage);
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.length = sizeof in;
    }
    must("bind", ::bind(fd, a.get(), a.length));
    return fd;
}

int open_listener(int domain, int backlog, int flags) {
    const int fd = open_bound(domain, SOCK_STREAM | flags);
    must("listen", ::listen(fd, backlog));
    return fd;
}

address address_of(int fd) {
    address a;
    must("getsockname", ::getsockname(fd, a.get(), &a.length));
    return a;
}

namespace {

ends connect_streams(int domain, int flags) {
    const int listener = open_listener(domain, 8);
    const address at = address_of(listener);
    ends made{};
    made.b = must("socket", ::socket(domain, SOCK_STREAM, 0));
    must("connect", ::connect(made.b, at.get(), at.length));
    made.a = must("accept4", ::accept4(listener, nullptr, nullptr, flags));
    must("close", ::close(listener));
    const int on = 1;
    if (domain == AF_INET)
        for (const int fd : {made.a, made.b})
            must("TCP_NODELAY", ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    return made;
}

ends connect_datagrams(int domain, int flags) {
    const ends made{open_bound(domain, SOCK_DGRAM | flags), open_bound(domain, SOCK_DGRAM)};
    const address a = address_of(made.a);
    const address b = address_of(made.b);
    must("connect", ::connect(made.a, b.get(), b.length));
    must("connect", ::connect(made.b, a.get(), a.length));
    return made;
}

ends open_pair(int type) {
    int fds[2];
    must("socketpair", ::socketpair(AF_UNIX, type, 0, fds));
    return {fds[0], fds[1]};
}

ends open_pipe(int flags) {
    int fds[2];
    must("pipe", flags == 0 ? ::pipe(fds) : ::pipe2(fds, flags));
    return {fds[0], fds[1]};
}

}  // namespace

ends open_channel(channel c, int flags) {
    switch (c) {
        case channel::tcp:
            return connect_streams(AF_INET, flags);
        case channel::unix_stream:
            return connect_streams(AF_UNIX, flags);
        case channel::pair:
            return open_pair(SOCK_STREAM | flags);
        case channel::udp:
            return connect_datagrams(AF_INET, flags);
        case channel::unix_datagram:
            return connect_datagrams(AF_UNIX, flags);
        case channel::datagram_pair:
            return open_pair(SOCK_DGRAM | flags);
        case channel::pipe:
            return open_pipe(flags);
    }
    std::abort();
}

void set_timeout(int fd, int name, long microseconds) {
    const timeval value{microseconds / 1'000'000, microseconds % 1'000'000};
    must("SO_*TIMEO", ::setsockopt(fd, SOL_SOCKET, name, &value, sizeof value));
}

void set_size(int fd, int name, int bytes) {
    must("SO_*BUF", ::setsockopt(fd, SOL_SOCKET, name, &bytes, sizeof bytes));
}

namespace {

// False when there was none.
bool write_while_there_is_room(int fd) {
    const std::string bytes(4096, 'f');
    bool wrote = false;
    for (const std::size_t size : {bytes.size(), std::size_t{1}})
        while (::write(fd, bytes.data(), size) > 0) wrote = true;
    return wrote;
}

// What is acknowledged, after a delay of up to 200 ms, makes room.
bool awaits_acknowledgement(int fd) {
    tcp_info info{};
    socklen_t length = sizeof info;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_unacked != 0;
}

}  // namespace

void fill(int fd) {
    const int mode = must("fcntl", ::fcntl(fd, F_GETFL));
    must("fcntl", ::fcntl(fd, F_SETFL, mode | O_NONBLOCK));
    // In this order: what is acknowledged after a write in vain is written to again.
    while (awaits_acknowledgement(fd) || write_while_there_is_room(fd)) ::poll(nullptr, 0, 20);
    must("fcntl", ::fcntl(fd, F_SETFL, mode));
}

void reset_on_close(int fd) {
    const linger at_once{1, 0};
    must("SO_LINGER", ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
}

}  // namespace ramie::test
