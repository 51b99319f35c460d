// Receiving and sending on a fiber, whatever the libc call was.
#pragma once

#include "calls.hpp"

namespace ramie::monkey::detail {

ssize_t receive(int fd, void* data, std::size_t size, int flags) noexcept;
ssize_t receive_from(int fd, void* data, std::size_t size, int flags, sockaddr* from,
                     socklen_t* length) noexcept;
ssize_t receive_message(int fd, msghdr* message, int flags) noexcept;
ssize_t read_bytes(int fd, void* data, std::size_t size) noexcept;
ssize_t read_parts(int fd, const iovec* parts, int count) noexcept;

ssize_t send_bytes(int fd, const void* data, std::size_t size, int flags) noexcept;
ssize_t send_to(int fd, const void* data, std::size_t size, int flags, const sockaddr* to,
                socklen_t length) noexcept;
ssize_t send_message(int fd, const msghdr* message, int flags) noexcept;
ssize_t write_bytes(int fd, const void* data, std::size_t size) noexcept;
ssize_t write_parts(int fd, const iovec* parts, int count) noexcept;

}  // namespace ramie::monkey::detail
