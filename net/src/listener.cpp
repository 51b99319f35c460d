#include "ramie/net/listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "socket_calls.hpp"

namespace ramie::net {

namespace {

// What the kernel tells of the next connection alone: accept(2), "Error handling".
bool concerns_one_connection(int error) noexcept {
    switch (error) {
        case ECONNABORTED:
        case EINTR:
        case ENETDOWN:
        case EPROTO:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case ENETUNREACH:
            return true;
        default:
            return false;
    }
}

// The address where a connection comes from.
struct peer_address {
    sockaddr_storage storage;
    socklen_t size;

    [[nodiscard]] endpoint value() const noexcept {
        return endpoint::from_native(reinterpret_cast<const sockaddr*>(&storage), size);
    }
};

int accept_attempt(int fd, peer_address& peer) noexcept {
    for (;;) {
        peer.size = sizeof peer.storage;
        const int made = ::accept4(fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (made >= 0 || !concerns_one_connection(errno)) return made;
    }
}

}  // namespace

tcp_listener::tcp_listener(const endpoint& where, listener_options options)
    : basic_socket(where, SOCK_STREAM) {
    set_option(SOL_SOCKET, SO_REUSEADDR, options.reuse_address, "SO_REUSEADDR");
    if (options.reuse_port) set_option(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
    share_no_delay();
    if (::bind(native_handle(), where.data(), where.size()) != 0)
        fail(errno, "bind to " + where.to_string());
    if (::listen(native_handle(), options.backlog) != 0)
        fail(errno, "listen on " + where.to_string());
}

tcp_listener::tcp_listener(int fd) : basic_socket(fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        fail(errno, "taking over listener " + std::to_string(fd));
    share_no_delay();
}

// On Linux a connection has the options of its listener: no call for each of them.
void tcp_listener::share_no_delay() { set_option(IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"); }

tcp_stream tcp_listener::accept(deadline until) {
    require_fiber("accepting from ");
    const int fd = native_handle();
    peer_address from;
    const transferred got = ramie::detail::transfer(fd, direction::read, 0, until,
                                                    [&] { return accept_attempt(fd, from); });
    if (got.failed()) fail(got, "accept on ", is_closed(got) ? endpoint() : local_endpoint());
    return {static_cast<int>(got.count()), from.value()};
}

std::optional<tcp_stream> tcp_listener::try_accept() {
    require_fiber("accepting from ");
    peer_address from;
    const int made = accept_attempt(native_handle(), from);
    if (made >= 0) return tcp_stream(made, from.value());
    if (errno != EAGAIN) fail(transferred(-1), "accept on ", local_endpoint());
    // accept() need not ask the kernel again.
    if (auto* d = ramie::detail::descriptor_of(native_handle())) d->clear(direction::read);
    return std::nullopt;
}

}  // namespace ramie::net
