#include "passed_descriptors.hpp"

#include <cstring>

#include "descriptor_kind.hpp"

namespace ramie::monkey::detail {

namespace {

template <class F>
void for_each_passed(const msghdr& message, F f) noexcept {
    auto* const header = const_cast<msghdr*>(&message);
    for (cmsghdr* c = CMSG_FIRSTHDR(header); c != nullptr; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i != count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            f(fd);
        }
    }
}

}  // namespace

void note_passed(const msghdr& message) noexcept {
    if (message.msg_control == nullptr) return;
    for_each_passed(message, [](int fd) { note_shared(fd); });
}

void note_received(const msghdr& message) noexcept {
    if (message.msg_control == nullptr || message.msg_controllen == 0) return;
    for_each_passed(message, [](int fd) { reset_facts(fd); });
}

}  // namespace ramie::monkey::detail
