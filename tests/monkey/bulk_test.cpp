// Megabytes in both directions at once: nothing is lost, doubled or out of order.

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

constexpr std::size_t size = 8U << 20;

// Differs with its place and its direction.
std::string pattern(std::uint32_t seed) {
    std::string bytes(size, '\0');
    for (char& each : bytes) {
        seed = seed * 1664525 + 1013904223;
        each = static_cast<char>(seed >> 24);
    }
    return bytes;
}

// Parts of odd sizes, up to `count`.
template <std::size_t Count>
std::array<iovec, Count> parts_of(char* at, std::size_t bytes) {
    std::array<iovec, Count> parts{};
    for (std::size_t i = 0; i != Count; ++i) {
        const std::size_t part = i + 1 == Count ? bytes : std::min(bytes, 1 + 997 * i);
        parts[i] = {at, part};
        at += part;
        bytes -= part;
    }
    return parts;
}

struct way {
    const char* name;
    channel over;
    // Sends all at once; receives some.
    ssize_t (*send)(int fd, char* at, std::size_t bytes);
    ssize_t (*receive)(int fd, char* at, std::size_t bytes);
};
void PrintTo(const way& w, std::ostream* out) { *out << w.name; }

ssize_t by_send(int fd, char* at, std::size_t bytes) { return ::send(fd, at, bytes, 0); }
ssize_t by_write(int fd, char* at, std::size_t bytes) { return ::write(fd, at, bytes); }
ssize_t by_writev(int fd, char* at, std::size_t bytes) {
    const auto parts = parts_of<50>(at, bytes);
    return ::writev(fd, parts.data(), static_cast<int>(parts.size()));
}
ssize_t by_recv(int fd, char* at, std::size_t bytes) { return ::recv(fd, at, bytes, 0); }
ssize_t by_recv_of_all(int fd, char* at, std::size_t bytes) {
    return ::recv(fd, at, bytes, MSG_WAITALL);
}
ssize_t by_read(int fd, char* at, std::size_t bytes) {
    return ::read(fd, at, std::min<std::size_t>(bytes, 65521));
}
ssize_t by_readv(int fd, char* at, std::size_t bytes) {
    const auto parts = parts_of<20>(at, std::min<std::size_t>(bytes, 300'000));
    return ::readv(fd, parts.data(), static_cast<int>(parts.size()));
}

class a_transfer : public patched_test, public ::testing::WithParamInterface<way> {
  protected:
    static void send(int fd, std::string bytes) {
        EXPECT_EQ(GetParam().send(fd, bytes.data(), size), static_cast<ssize_t>(size));
    }
    static void receive(int fd, const std::string& expected) {
        std::string bytes(size, '\0');
        for (std::size_t done = 0; done != size;) {
            const ssize_t n = GetParam().receive(fd, bytes.data() + done, size - done);
            ASSERT_GT(n, 0) << "after " << done;
            done += static_cast<std::size_t>(n);
        }
        EXPECT_TRUE(bytes == expected);
    }
};

TEST_P(a_transfer, arrives_both_ways_at_once) {
    const ends e = open_channel(GetParam().over);
    const std::string there = pattern(1);
    const std::string back = pattern(2);
    const ramie::fiber<> all[] = {
        ramie::spawn([&] { send(e.b, there); }), ramie::spawn([&] { send(e.a, back); }),
        ramie::spawn([&] { receive(e.a, there); }), ramie::spawn([&] { receive(e.b, back); })};
    for (const auto& each : all) each.get();
    for (const int fd : {e.a, e.b}) ::close(fd);
}

constexpr way ways[] = {
    {"tcp_send_recv", channel::tcp, by_send, by_recv},
    {"tcp_send_recv_of_all", channel::tcp, by_send, by_recv_of_all},
    {"tcp_write_read", channel::tcp, by_write, by_read},
    {"tcp_writev_readv", channel::tcp, by_writev, by_readv},
    {"unix_send_recv", channel::unix_stream, by_send, by_recv},
    {"unix_send_recv_of_all", channel::unix_stream, by_send, by_recv_of_all},
    {"unix_write_read", channel::unix_stream, by_write, by_read},
    {"unix_writev_readv", channel::unix_stream, by_writev, by_readv},
};

INSTANTIATE_TEST_SUITE_P(, a_transfer, ::testing::ValuesIn(ways),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
