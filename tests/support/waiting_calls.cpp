#include "support/waiting_calls.hpp"

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace ramie::test {

site::~site() {
    for (const int each : owned) ::close(each);
}

int site::own(int each) {
    owned.push_back(each);
    return each;
}

namespace {

template <channel C>
void open_ends(site& s) {
    const ends e = open_channel(C);
    s.fd = s.own(e.a);
    s.peer = s.own(e.b);
}

// What is written to has no room.
template <channel C>
void open_full(site& s) {
    const ends e = open_channel(C);
    s.fd = s.own(e.b);
    s.peer = s.own(e.a);
    fill(s.fd);
}

void open_accepting(site& s) {
    s.fd = s.own(open_listener(AF_INET, 8));
    s.at = address_of(s.fd);
}

// Its listener's queue is full: nobody answers.
void open_connecting(site& s) {
    const int listener = s.own(open_listener(AF_INET, 0));
    s.at = address_of(listener);
    pollfd connected{-1, POLLOUT, 0};
    do {
        connected.fd = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
        static_cast<void>(::connect(connected.fd, s.at.get(), s.at.length));
    } while (::poll(&connected, 1, 20) == 1);
    s.fd = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
}

void open_nothing(site&) {}

long ok(long result) { return result < 0 ? result : 0; }

long wait_in_recv(const site& s) {
    char byte;
    return ok(::recv(s.fd, &byte, 1, 0));
}
long wait_in_read(const site& s) {
    char byte;
    return ok(::read(s.fd, &byte, 1));
}
long wait_in_readv(const site& s) {
    char byte;
    const iovec part{&byte, 1};
    return ok(::readv(s.fd, &part, 1));
}
long wait_in_send(const site& s) { return ok(::send(s.fd, "x", 1, 0)); }
long wait_in_write(const site& s) { return ok(::write(s.fd, "x", 1)); }
long wait_in_accept(const site& s) {
    const int made = ::accept(s.fd, nullptr, nullptr);
    return made < 0 ? made : ::close(made);
}
long wait_in_connect(const site& s) { return ::connect(s.fd, s.at.get(), s.at.length); }
long wait_in_poll(const site& s) {
    pollfd readable{s.fd, POLLIN, 0};
    return ok(::poll(&readable, 1, -1));
}
long wait_in_usleep(const site&) { return ::usleep(50'000); }
long wait_in_nanosleep(const site&) {
    const timespec time{0, 50'000'000};
    return ::nanosleep(&time, nullptr);
}

void write_to_peer(site& s) { must("write", ::write(s.peer, "x", 1)); }
void drain_peer(site& s) {
    char piece[65536];
    pollfd readable{s.peer, POLLIN, 0};
    while (::poll(&readable, 1, 0) == 1) must("read", ::read(s.peer, piece, sizeof piece));
}
void connect_to_it(site& s) {
    const int fd = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    must("connect", ::connect(fd, s.at.get(), s.at.length));
}
void shut_down(site& s) { must("shutdown", ::shutdown(s.fd, SHUT_RDWR)); }
void leave(site&) {}

constexpr waiting_call calls[] = {
    {"recv", open_ends<channel::tcp>, wait_in_recv, write_to_peer},
    {"recv_of_a_datagram", open_ends<channel::udp>, wait_in_recv, write_to_peer},
    {"read_of_a_local_socket", open_ends<channel::unix_stream>, wait_in_read, write_to_peer},
    {"read_of_a_pipe", open_ends<channel::pipe>, wait_in_read, write_to_peer},
    {"readv", open_ends<channel::pipe>, wait_in_readv, write_to_peer},
    {"send", open_full<channel::pair>, wait_in_send, drain_peer},
    {"write_to_a_pipe", open_full<channel::pipe>, wait_in_write, drain_peer},
    {"accept", open_accepting, wait_in_accept, connect_to_it},
    {"connect", open_connecting, wait_in_connect, shut_down, ECONNRESET},
    {"poll", open_ends<channel::tcp>, wait_in_poll, write_to_peer},
    {"usleep", open_nothing, wait_in_usleep, leave},
    {"nanosleep", open_nothing, wait_in_nanosleep, leave},
};

}  // namespace

int outcome_of(const waiting_call& call, const site& s) { return call.wait(s) < 0 ? errno : 0; }

std::span<const waiting_call> waiting_calls() { return calls; }

}  // namespace ramie::test
