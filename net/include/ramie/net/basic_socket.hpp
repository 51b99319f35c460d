// What every socket has: a descriptor that it owns, an address, buffers.
//
//     ramie::net::tcp_listener listener(":0");
//     std::cout << listener.local_endpoint() << '\n';     // the port that the kernel chose
//     listener.receive_buffer(1 << 20);                   // inherited by what it accepts
//
// Move-only. Must not be moved while a fiber waits in one of its calls; closing it then is fine.
#pragma once

#include <cstddef>

#include "ramie/net/endpoint.hpp"

namespace ramie::net {

class basic_socket {
  public:
    basic_socket(const basic_socket&) = delete;
    basic_socket& operator=(const basic_socket&) = delete;

    // False when default-constructed, closed, released or moved from. Never suspends.
    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

    // -1 when not open. The socket goes on owning it. Never suspends.
    [[nodiscard]] int native_handle() const noexcept { return fd_; }

    // Gives the descriptor away, in the mode it is in: those made here are non-blocking and
    // close-on-exec. Fibers that wait in its calls are woken as by close(). -1 when not open.
    // Never suspends.
    [[nodiscard]] int release() noexcept;

    // Harmless twice. A fiber that waits in a call of this socket throws std::system_error (EBADF).
    // Never suspends.
    void close() noexcept;

    // Throws std::system_error. Never suspends.
    [[nodiscard]] endpoint local_endpoint() const;

    // SO_RCVBUF and SO_SNDBUF in bytes; the kernel doubles what is set and reports that. Throws
    // std::system_error. Never suspends.
    void receive_buffer(int bytes);
    [[nodiscard]] int receive_buffer() const;
    void send_buffer(int bytes);
    [[nodiscard]] int send_buffer() const;

  protected:
    basic_socket() noexcept = default;

    // Opens one of the family of `purpose`; SOCK_STREAM and the like. Throws std::system_error.
    basic_socket(const endpoint& purpose, int type);

    // Takes `fd` over.
    explicit basic_socket(int fd) noexcept;

    basic_socket(basic_socket&& other) noexcept;
    basic_socket& operator=(basic_socket&& other) noexcept;
    ~basic_socket();

    // `what` is the option's name in an error. Throw std::system_error.
    void set_option(int level, int name, const void* value, socklen_t size, const char* what);
    void set_option(int level, int name, int value, const char* what);
    void get_option(int level, int name, void* value, socklen_t size, const char* what) const;
    [[nodiscard]] int option(int level, int name, const char* what) const;

  private:
    int fd_ = -1;
};

}  // namespace ramie::net
