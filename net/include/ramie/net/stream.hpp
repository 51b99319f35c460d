// A TCP connection.
//
//     auto peer = ramie::net::tcp_stream::connect("127.0.0.1:7000", 5s);
//     peer.write_all("ping\n", 5s);
//     std::array<char, 4096> buffer;
//     while (auto n = peer.read_some(buffer, 30s)) use(std::string_view(buffer.data(), n));
//
// One fiber may read and another write at the same time; a second reader or writer gets EBUSY at
// once and the first goes on. Satisfies Asio's SyncReadStream and SyncWriteStream. Never raises
// SIGPIPE.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "ramie/deadline.hpp"
#include "ramie/net/basic_socket.hpp"
#include "ramie/net/detail/sync_stream.hpp"
#include "ramie/net/detail/turn.hpp"
#include "ramie/net/errors.hpp"

namespace ramie::net {

enum class side { read, write, both };

// What every call may throw: std::system_error with the call, the peer and the reason (EBADF: not
// open, or closed by another fiber; EBUSY: see above); timeout_expired at the deadline; what
// interrupts the fiber. The stream stays usable after a deadline.
class tcp_stream : public basic_socket, public detail::sync_stream<tcp_stream> {
  public:
    // Not open. Never suspends.
    tcp_stream() noexcept = default;

    // Takes over a connected TCP socket, in whatever mode it is. Never suspends.
    explicit tcp_stream(int fd) noexcept;
    // The same, of a socket that accept4() has just made. Never suspends.
    tcp_stream(int fd, const endpoint& peer) noexcept;

    // With TCP_NODELAY. Suspends the calling fiber.
    static tcp_stream connect(const endpoint& peer, deadline until = {});

    // Waits for some bytes, returns how many; 0: the peer has ended its side, or `buffer` is empty.
    // Suspends the calling fiber.
    std::size_t read_some(std::span<std::byte> buffer, deadline until = {});
    std::size_t read_some(std::span<char> buffer, deadline until = {}) {
        return read_some(std::as_writable_bytes(buffer), until);
    }

    // Fills `buffer`; throws end_of_stream when the stream ends before. Suspends the calling fiber.
    void read_exactly(std::span<std::byte> buffer, deadline until = {});
    void read_exactly(std::span<char> buffer, deadline until = {}) {
        read_exactly(std::as_writable_bytes(buffer), until);
    }

    // Waits until the kernel takes some bytes, returns how many. Suspends the calling fiber.
    std::size_t write_some(std::span<const std::byte> data, deadline until = {});
    std::size_t write_some(std::string_view text, deadline until = {}) {
        return write_some(std::as_bytes(std::span(text)), until);
    }

    // All of it, under one deadline. What was sent before an exception is not told. Suspends the
    // calling fiber.
    void write_all(std::span<const std::byte> data, deadline until = {});
    void write_all(std::string_view text, deadline until = {}) {
        write_all(std::as_bytes(std::span(text)), until);
    }
    template <std::size_t Extent>
    void write_all(std::span<char, Extent> text, deadline until = {}) {
        write_all(std::as_bytes(text), until);
    }
    template <std::size_t Extent>
    void write_all(std::span<const char, Extent> text, deadline until = {}) {
        write_all(std::as_bytes(text), until);
    }

    using detail::sync_stream<tcp_stream>::read_some;
    using detail::sync_stream<tcp_stream>::write_some;

    // Ends one side, or both: the peer reads to the end and gets 0, and who waits here for that
    // side goes on. Throws ENOTCONN when the connection is gone. Never suspends.
    void shutdown(side);

    // The other end, also when it is gone. Never suspends.
    [[nodiscard]] const endpoint& remote_endpoint() const noexcept { return peer_; }

    // Never suspends.
    void no_delay(bool on);
    [[nodiscard]] bool no_delay() const;
    void keep_alive(bool on);
    [[nodiscard]] bool keep_alive() const;

    // What close() does with what was not sent: nothing set (the default), the kernel goes on
    // sending; zero, the connection is reset and it is lost; else close() blocks the thread for so
    // long. Never suspends.
    void linger(std::optional<std::chrono::seconds>);
    [[nodiscard]] std::optional<std::chrono::seconds> linger() const;

  private:
    explicit tcp_stream(const endpoint& peer);

    friend detail::sync_stream<tcp_stream>;
    ssize_t read_parts(const iovec* parts, std::size_t count, std::size_t bytes);
    ssize_t write_parts(const iovec* parts, std::size_t count, std::size_t bytes);

    detail::turn reading_;
    detail::turn writing_;
    endpoint peer_;
};

}  // namespace ramie::net
