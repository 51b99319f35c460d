#pragma once
// Descriptors sent over a unix socket.
//
//     send_descriptor(pair.b, "x", fd);
//     const int copy = receive_descriptor(pair.a);

#include <sys/socket.h>

#include <cstring>
#include <string_view>

#include "support/channels.hpp"

namespace ramie::test {

// A message with room for one descriptor.
struct passing_message {
    explicit passing_message(char* data, std::size_t size) {
        part = {data, size};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
    }
    passing_message(const passing_message&) = delete;
    passing_message& operator=(const passing_message&) = delete;

    void put(int fd) {
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    // -1: none came.
    [[nodiscard]] int taken() {
        const cmsghdr* const header = CMSG_FIRSTHDR(&message);
        if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return -1;
        int fd;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        return fd;
    }

    iovec part{};
    msghdr message{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
};

inline void send_descriptor(int over, std::string_view bytes, int passed) {
    passing_message m(const_cast<char*>(bytes.data()), bytes.size());
    m.put(passed);
    must("sendmsg", ::sendmsg(over, &m.message, 0));
}

inline int receive_descriptor(int over) {
    char bytes[16];
    passing_message m(bytes, sizeof bytes);
    must("recvmsg", ::recvmsg(over, &m.message, 0));
    return m.taken();
}

}  // namespace ramie::test
