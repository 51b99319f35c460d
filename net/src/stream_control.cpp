// How a TCP connection begins and ends, and its options.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "ramie/net/stream.hpp"
#include "socket_calls.hpp"

namespace ramie::net {

namespace {

// As often as it is asked: starts to connect, then tells how far it is.
int connect_attempt(int fd, const endpoint& peer) noexcept {
    const int result = ::connect(fd, peer.data(), peer.size());
    if (result == 0 || errno == EISCONN) return 0;
    if (errno == EINPROGRESS || errno == EALREADY) errno = EAGAIN;
    return -1;
}

}  // namespace

tcp_stream::tcp_stream(int fd) noexcept : basic_socket(fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* native = reinterpret_cast<sockaddr*>(&address);
    if (::getpeername(fd, native, &size) == 0) peer_ = endpoint::from_native(native, size);
}

tcp_stream::tcp_stream(int fd, const endpoint& peer) noexcept : basic_socket(fd), peer_(peer) {}

tcp_stream::tcp_stream(const endpoint& peer) : basic_socket(peer, SOCK_STREAM), peer_(peer) {}

tcp_stream tcp_stream::connect(const endpoint& peer, deadline until) {
    require_fiber("connecting ");
    tcp_stream made(peer);
    const int fd = made.native_handle();
    const transferred got = ramie::detail::transfer(fd, direction::write, 0, until,
                                                    [&] { return connect_attempt(fd, peer); });
    if (got.failed()) fail(got, "connect to ", peer);
    made.no_delay(true);
    return made;
}

void tcp_stream::shutdown(side which) {
    const int how = which == side::read ? SHUT_RD : which == side::write ? SHUT_WR : SHUT_RDWR;
    if (::shutdown(native_handle(), how) != 0)
        fail(errno, "shutdown of a connection to " + peer_.to_string());
}

void tcp_stream::no_delay(bool on) { set_option(IPPROTO_TCP, TCP_NODELAY, on, "TCP_NODELAY"); }
bool tcp_stream::no_delay() const { return option(IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY") != 0; }

void tcp_stream::keep_alive(bool on) { set_option(SOL_SOCKET, SO_KEEPALIVE, on, "SO_KEEPALIVE"); }
bool tcp_stream::keep_alive() const {
    return option(SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE") != 0;
}

void tcp_stream::linger(std::optional<std::chrono::seconds> time) {
    ::linger value{};
    value.l_onoff = time.has_value();
    value.l_linger = static_cast<int>(time.value_or(std::chrono::seconds(0)).count());
    set_option(SOL_SOCKET, SO_LINGER, &value, sizeof value, "SO_LINGER");
}

std::optional<std::chrono::seconds> tcp_stream::linger() const {
    ::linger value{};
    get_option(SOL_SOCKET, SO_LINGER, &value, sizeof value, "SO_LINGER");
    if (value.l_onoff == 0) return std::nullopt;
    return std::chrono::seconds(value.l_linger);
}

}  // namespace ramie::net
