// The calls that move bytes, as the actors of a scenario make them.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "support/kernel_oracle.hpp"

namespace ramie::test {

const char* name_of(receiver r) {
    constexpr const char* names[] = {"read", "readv", "recv", "recvfrom", "recvmsg"};
    return names[static_cast<int>(r)];
}

const char* name_of(sender s) {
    constexpr const char* names[] = {"write", "writev", "send", "sendto", "sendmsg"};
    return names[static_cast<int>(s)];
}

namespace {

// One byte, a third of what is left, the rest.
struct three_parts {
    three_parts(const char* data, std::size_t size) {
        char* at = const_cast<char*>(data);
        const std::size_t first = std::min<std::size_t>(size, 1);
        const std::size_t second = (size - first) / 3;
        parts[0] = {at, first};
        parts[1] = {at + first, second};
        parts[2] = {at + first + second, size - first - second};
        message.msg_iov = parts;
        message.msg_iovlen = 3;
    }
    three_parts(const three_parts&) = delete;
    three_parts& operator=(const three_parts&) = delete;

    iovec parts[3];
    msghdr message{};
};

std::string from(const address& sender) {
    return " from family " + std::to_string(sender.length == 0 ? 0 : sender.storage.ss_family) +
           ", " + std::to_string(sender.storage.ss_family == AF_UNIX ? 0 : sender.length) +
           " bytes";
}

}  // namespace

std::string actor::receive(receiver by, int fd, std::size_t size, int flags) {
    std::string bytes(size, '.');
    three_parts split(bytes.data(), size);
    address from_whom;
    split.message.msg_name = from_whom.get();
    split.message.msg_namelen = from_whom.length;
    const long n = made([&]() -> long {
        switch (by) {
            case receiver::read:
                return ::read(fd, bytes.data(), size);
            case receiver::readv:
                return ::readv(fd, split.parts, 3);
            case receiver::recv:
                return ::recv(fd, bytes.data(), size, flags);
            case receiver::recvfrom:
                return ::recvfrom(fd, bytes.data(), size, flags, from_whom.get(),
                                  &from_whom.length);
            case receiver::recvmsg:
                return ::recvmsg(fd, &split.message, flags);
        }
        return -1;
    });
    const int error = errno;
    if (by == receiver::recvmsg) from_whom.length = split.message.msg_namelen;
    std::string what = name_of(by);
    if (n >= 0 && by >= receiver::recvfrom) what += from(from_whom);
    if (n >= 0 && by == receiver::recvmsg)
        what += ", flags " + std::to_string(split.message.msg_flags);
    bytes.resize(std::min(size, static_cast<std::size_t>(std::max(n, 0L))));
    errno = error;
    log_bytes(what, n, bytes);
    return bytes;
}

long actor::send(sender by, int fd, std::string_view bytes, int flags) {
    three_parts split(bytes.data(), bytes.size());
    const long n = made([&]() -> long {
        switch (by) {
            case sender::write:
                return ::write(fd, bytes.data(), bytes.size());
            case sender::writev:
                return ::writev(fd, split.parts, 3);
            case sender::send:
                return ::send(fd, bytes.data(), bytes.size(), flags);
            case sender::sendto:
                return ::sendto(fd, bytes.data(), bytes.size(), flags, nullptr, 0);
            case sender::sendmsg:
                return ::sendmsg(fd, &split.message, flags);
        }
        return -1;
    });
    log_result(name_of(by), n);
    return n;
}

}  // namespace ramie::test
