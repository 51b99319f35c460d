// A socket that accepts TCP connections.
//
//     ramie::net::tcp_listener listener("127.0.0.1:0");
//     std::cout << "port " << listener.local_endpoint().port() << '\n';
//     for (;;) ramie::spawn(serve, listener.accept());     // see server.hpp for all the rest
//
// Any number of fibers may accept from one listener; they are served in order of arrival.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "ramie/deadline.hpp"
#include "ramie/net/stream.hpp"

namespace ramie::net {

struct listener_options {
    int backlog = SOMAXCONN;    // connections that the kernel keeps until they are accepted; it
                                // lowers this to net.core.somaxconn
    bool reuse_address = true;  // start again while connections of a former run are winding down
    bool reuse_port = false;    // several listeners share the port, the kernel spreads the load
};

class tcp_listener : public basic_socket {
  public:
    // Not open. Never suspends.
    tcp_listener() noexcept = default;

    // Binds and listens; port 0 lets the kernel choose one. Throws std::system_error with the
    // endpoint. Never suspends.
    explicit tcp_listener(const endpoint& where, listener_options options = {});

    // Takes over a listening socket and makes it non-blocking: an accept must not block the thread
    // when another process was faster. Throws std::system_error. Never suspends.
    explicit tcp_listener(int fd);

    // Waits for a connection; it has TCP_NODELAY, and knows its remote_endpoint(). What went wrong
    // with one connection alone (ECONNABORTED and the like) is skipped. Throws std::system_error
    // (EBADF: not open, or closed by another fiber; EMFILE, ENFILE, ENOBUFS, ENOMEM: no room for it
    // now, see server.hpp) and timeout_expired. Suspends the calling fiber.
    tcp_stream accept(deadline until = {});

    // A connection that waits already, or nothing. Throws the same. Never suspends.
    std::optional<tcp_stream> try_accept();

  private:
    void share_no_delay();
};

}  // namespace ramie::net
