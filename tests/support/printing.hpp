#pragma once
// What the tests of writing to a FILE share.

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include "support/kernel_oracle.hpp"

namespace ramie::test {

// The stream closes the descriptor.
inline FILE* open_stream(stage& s, int fd, const char* mode, int buffering) {
    s.disown(fd);
    FILE* const stream = ::fdopen(fd, mode);
    std::setvbuf(stream, nullptr, buffering, 0);
    return stream;
}

inline void close_stream(actor& me, FILE* stream) {
    me.call("fclose", [=] { return std::fclose(stream); });
}

inline std::string lines(std::size_t size) {
    std::string text;
    for (int i = 0; text.size() < size; ++i) text += "line " + std::to_string(i) + "\n";
    return text;
}

// Until the end, or so much.
inline void read_all(actor& me, int fd, std::size_t most = SIZE_MAX) {
    std::string all;
    std::array<char, 5000> some{};
    while (all.size() < most) {
        const ssize_t n = ::read(fd, some.data(), some.size());
        if (n <= 0) break;
        all.append(some.data(), static_cast<std::size_t>(n));
    }
    me.log(std::to_string(all.size()) + " bytes, hash " +
           std::to_string(std::hash<std::string>()(all)));
}

inline int unread(int fd) {
    int left = 0;
    ::ioctl(fd, FIONREAD, &left);
    return left;
}

}  // namespace ramie::test
