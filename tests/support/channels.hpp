#pragma once
// Connected descriptors of every kind that the patched calls work on.
//
//     const ends tcp = open_channel(channel::tcp);
//     ::send(tcp.b, "hello", 5, 0);     // arrives at tcp.a

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace ramie::test {

enum class channel { tcp, unix_stream, pair, udp, unix_datagram, datagram_pair, pipe };

struct ends {
    int a;  // a pipe's reading end; what an accept returned
    int b;
};

const char* name_of(channel);
inline constexpr bool is_stream(channel c) {
    return c == channel::tcp || c == channel::unix_stream || c == channel::pair;
}
inline constexpr bool is_datagram(channel c) {
    return c == channel::udp || c == channel::unix_datagram || c == channel::datagram_pair;
}
inline constexpr bool is_socket(channel c) { return c != channel::pipe; }

template <class Info>
std::string channel_name(const Info& info) {
    return name_of(info.param);
}

// With libc's calls as they are at the moment, patched or not. Ends the process when one fails.
// `flags` (SOCK_NONBLOCK) are those of `a`.
ends open_channel(channel, int flags = 0);

struct address {
    sockaddr_storage storage{};
    socklen_t length = sizeof(sockaddr_storage);
    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

// A socket bound to an address that the kernel chose: loopback, or an abstract one.
int open_bound(int domain, int type);
int open_listener(int domain, int backlog, int flags = 0);
address address_of(int fd);

// Ends the process when a call that prepares a test failed.
int must(const char* call, long result);

// The compiler does not know it, and so does not warn.
template <class T>
T hidden(T value) {
    static volatile T place;
    place = value;
    return place;
}

// An address that is not mapped; the compiler does not know it.
template <class T>
T* bad_pointer() {
    static volatile std::uintptr_t where = 8;
    return reinterpret_cast<T*>(where);
}

void set_timeout(int fd, int name, long microseconds);  // SO_RCVTIMEO, SO_SNDTIMEO
void set_size(int fd, int name, int bytes);             // SO_RCVBUF, SO_SNDBUF
void fill(int fd);            // until nothing is under way that would make room again
void reset_on_close(int fd);  // SO_LINGER 0

}  // namespace ramie::test
