#include "ramie/net/basic_socket.hpp"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "ramie/detail/descriptors.hpp"
#include "socket_calls.hpp"

namespace ramie::net {

basic_socket::basic_socket(const endpoint& purpose, int type)
    : fd_(::socket(purpose.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) fail(errno, "socket for " + purpose.to_string());
    ramie::detail::reset_facts(fd_);
}

basic_socket::basic_socket(int fd) noexcept : fd_(fd) { ramie::detail::reset_facts(fd_); }

basic_socket::basic_socket(basic_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

basic_socket& basic_socket::operator=(basic_socket&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
}

basic_socket::~basic_socket() { close(); }

int basic_socket::release() noexcept {
    if (is_open()) ramie::detail::forget(fd_);
    return std::exchange(fd_, -1);
}

void basic_socket::close() noexcept {
    const int fd = release();
    if (fd >= 0) ::close(fd);
}

endpoint basic_socket::local_endpoint() const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        fail(errno, "local endpoint of a socket");
    return endpoint::from_native(reinterpret_cast<const sockaddr*>(&address), size);
}

void basic_socket::set_option(int level, int name, const void* value, socklen_t size,
                              const char* what) {
    if (::setsockopt(fd_, level, name, value, size) != 0)
        fail(errno, std::string("setting ") + what + " of a socket");
}

void basic_socket::set_option(int level, int name, int value, const char* what) {
    set_option(level, name, &value, sizeof value, what);
}

int basic_socket::option(int level, int name, const char* what) const {
    int value = 0;
    get_option(level, name, &value, sizeof value, what);
    return value;
}

void basic_socket::get_option(int level, int name, void* value, socklen_t size,
                              const char* what) const {
    if (::getsockopt(fd_, level, name, value, &size) != 0)
        fail(errno, std::string("asking for ") + what + " of a socket");
}

void basic_socket::receive_buffer(int bytes) {
    set_option(SOL_SOCKET, SO_RCVBUF, bytes, "the receive buffer");
}
int basic_socket::receive_buffer() const {
    return option(SOL_SOCKET, SO_RCVBUF, "the receive buffer");
}
void basic_socket::send_buffer(int bytes) {
    set_option(SOL_SOCKET, SO_SNDBUF, bytes, "the send buffer");
}
int basic_socket::send_buffer() const { return option(SOL_SOCKET, SO_SNDBUF, "the send buffer"); }

}  // namespace ramie::net
