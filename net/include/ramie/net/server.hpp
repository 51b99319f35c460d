// A TCP server: every connection is served by a fiber of its own.
//
//     ramie::net::stream_server server(":7000", [](ramie::net::tcp_stream peer) {
//         std::array<std::byte, 4096> buffer;
//         while (auto n = peer.read_some(buffer)) peer.write_all(std::span(buffer).first(n));
//     });
//     server.serve();    // until somebody calls server.stop(5s)
//
// Belongs to one thread. Not a connection more than `pool`: the others wait in the kernel's
// backlog. Lives on when descriptors or memory run out, see server_stats. A peer that is silent, or
// does not read, loses its place, see server_options.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <string>
#include <system_error>

#include "ramie/deadline.hpp"
#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/net/detail/connection.hpp"
#include "ramie/net/detail/spare_descriptor.hpp"
#include "ramie/net/socket.hpp"

namespace ramie::net {

struct server_options {
    std::size_t pool = 0;         // connections at the same time; 0: half of RLIMIT_NOFILE
    int backlog = SOMAXCONN;      // connections that wait for a place in the pool
    bool reuse_port = false;      // see listener_options
    std::string name = "server";  // for reports
    std::size_t stack_size = 0;   // of a handler, see fiber_options

    // How long a read of the connection waits for its peer, and a write, when the call has no
    // deadline of its own; up to a quarter of the shorter one may be added. Then the call throws
    // timeout_expired; a handler that lets it pass ends its connection quietly. Zero: for ever.
    std::chrono::nanoseconds idle_timeout = std::chrono::seconds(60);
    std::chrono::nanoseconds write_timeout = std::chrono::seconds(30);
};

struct server_stats {
    std::uint64_t accepted = 0;   // connections given to a handler
    std::uint64_t failed = 0;     // handlers that ended with an exception that was reported
    std::uint64_t timed_out = 0;  // calls that idle_timeout or write_timeout has ended
    std::uint64_t shortages = 0;  // accepts that found no descriptor (EMFILE, ENFILE) or no memory
                                  // (ENOBUFS, ENOMEM, or for the handler's fiber: its connection is
                                  // closed): a pause of 5 ms, doubling up to 640 ms or until a
                                  // connection ends, and at most a line a second on stderr
    std::uint64_t shed = 0;  // of the former, connections that were closed unserved, with the help
                             // of a spare descriptor, so that a client sees an end
};

class stream_server {
  public:
    // Owns the connection: it is closed when the handler lets go of it. An exception that leaves
    // the handler ends this connection alone and is reported with the server's name and the peer;
    // quiet are a kill and what a peer does by going away: ECONNRESET, EPIPE, end_of_stream.
    using handler = std::function<void(tcp_stream)>;

    // Binds and listens; connections wait until start(). Throws std::system_error. Never suspends.
    stream_server(const net::endpoint& where, handler, const server_options& options = {});
    // The same with a listener of yours; the options for listening do not count. Never suspends.
    stream_server(tcp_listener, handler, server_options options = {});

    // Kills the handlers that are left and waits for their ends. Suspends the calling fiber.
    ~stream_server();
    stream_server(const stream_server&) = delete;
    stream_server& operator=(const stream_server&) = delete;

    // Serves in the background; harmless twice. Throws std::logic_error after stop(). Never
    // suspends.
    void start();

    // start(), and waits for the end of a stop(). Throws std::system_error when the listener fails;
    // what interrupts the caller stops the server at once. Suspends the calling fiber.
    void serve();

    // Stops listening at once, gives the handlers until `grace`, kills those that are left, waits
    // for the end of all. Harmless twice. Suspends the calling fiber.
    void stop(deadline grace = std::chrono::seconds(1));

    // Where it listens, with the port that the kernel chose; also after stop(). Never suspends.
    [[nodiscard]] const net::endpoint& endpoint() const noexcept { return where_; }

    // How many are being served. Never suspends.
    [[nodiscard]] std::size_t connections() const noexcept { return served_.size(); }

    // Never suspends.
    [[nodiscard]] const server_stats& stats() const noexcept { return stats_; }

  private:
    class place;

    void accept_all();
    void accept_connections();
    void admit(tcp_stream);
    void handle(const place&, tcp_stream&&);
    void blame(const net::endpoint& peer);
    void endure(const std::error_code& shortage, const char* what);
    void shed_one() noexcept;
    void report(const char* what) noexcept;
    [[nodiscard]] std::chrono::nanoseconds time_between_looks() const noexcept;
    void watch_connections();
    void look_at_those_due() noexcept;
    void look_at(detail::connection&, std::int64_t now) noexcept;

    tcp_listener listener_;
    handler handler_;
    server_options options_;
    net::endpoint where_;
    server_stats stats_;
    detail::spare_descriptor spare_;
    std::chrono::milliseconds pause_{0};
    deadline quiet_until_ = deadline::at(0);

    fiber<> acceptor_;
    fiber<> watcher_;
    std::list<detail::connection> served_;  // who is to be looked at first is first
    event room_;                            // a connection has ended
    event busy_;                            // there are connections
    event empty_{true};                     // no connection is left
    event stopped_;
    bool stopping_ = false;
    int servers_ = 0;  // fibers in serve()
    std::exception_ptr failure_;
};

}  // namespace ramie::net
