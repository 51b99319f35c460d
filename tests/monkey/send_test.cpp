// Every sending call over every channel, compared with the kernel.

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;

// --- which channels and calls ----------------------------------------------------------------

bool any(channel c, sender s) { return is_socket(c) || s <= sender::writev; }
bool stream(channel c, sender s) { return is_stream(c) || (c == channel::pipe && any(c, s)); }
bool with_flags(channel c, sender s) { return is_socket(c) && takes_flags(s); }
bool stream_socket(channel c, sender) { return is_stream(c); }
bool tcp(channel c, sender) { return c == channel::tcp; }
bool pipe(channel c, sender s) { return c == channel::pipe && any(c, s); }
// What UDP has no room for is dropped.
bool fills_up(channel c, sender s) { return any(c, s) && c != channel::udp; }

// --- room ------------------------------------------------------------------------------------

constexpr std::size_t much = 1'000'000;

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i != size; ++i)
        bytes[i] = static_cast<char>('a' + i % 23 + i / 4096 % 3);
    return bytes;
}

void drain(int fd) {
    char piece[8192];
    for (int left = 0; ::ioctl(fd, FIONREAD, &left) == 0 && left != 0;)
        must("read", ::read(fd, piece, sizeof piece));
}

ends open_narrow(stage& s, channel c) {
    const ends e = s.open(c);
    if (!is_socket(c)) return e;
    // TCP is slow with windows of a few segments.
    const int bytes = c == channel::tcp ? 65536 : 8192;
    set_size(e.b, SO_SNDBUF, bytes);
    set_size(e.a, SO_RCVBUF, bytes);
    return e;
}

// Takes everything until the end, in small pieces; logs only what it was in all.
void read_to_the_end(actor& me, int fd) {
    std::string all;
    char piece[8192];
    for (ssize_t n = 1; n > 0;) {
        n = ::read(fd, piece, sizeof piece);
        if (n > 0) all.append(piece, static_cast<std::size_t>(n));
    }
    me.log(all == pattern(all.size()) ? std::to_string(all.size()) + " bytes" : "wrong bytes");
}

void goes_into_what_has_room(stage& s, channel c, sender by) {
    const ends e = s.open(c);
    s.add("writer", [=](actor& me) {
        me.send(by, e.b, "hello");
        me.receive(receiver::read, e.a, 10);
        me.log_mode(e.b);
    });
}

void is_complete_when_it_returns(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    s.add("writer", [=](actor& me) {
        me.send(by, e.b, pattern(much));
        me.log_mode(e.b);
        me.close(e.b);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        read_to_the_end(me, e.a);
    });
}

void waits_for_room(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    fill(e.b);
    s.add("writer", [=](actor& me) { me.send(by, e.b, "x"); });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        me.until([&] {
            drain(e.a);
            return me.has_ended("writer");
        });
    });
}

// A small write to a pipe is never split.
void waits_for_room_for_all_of_a_small_one(stage& s, channel c, sender by) {
    const ends e = s.open(c);
    fill(e.b);
    s.add("writer", [=](actor& me) { me.send(by, e.b, std::string(4096, 'z')); });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        char byte;
        // One byte off the first page frees nothing.
        me.call("read", [&] { return ::read(e.a, &byte, 1); });
        me.log(me.still_waits("writer") ? "still waits" : "went on");
        me.until([&] {
            drain(e.a);
            return me.has_ended("writer");
        });
    });
}

// --- modes -----------------------------------------------------------------------------------

void does_not_wait_for_room(stage& s, ends e, sender by, int flags) {
    s.add("writer", [=](actor& me) {
        fill(e.b);
        me.send(by, e.b, std::string(4096, 'z'), flags);
        me.send(by, e.b, "x", flags);
    });
}

void does_not_wait_after_fcntl(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    must("fcntl", ::fcntl(e.b, F_SETFL, O_NONBLOCK));
    does_not_wait_for_room(s, e, by, 0);
}

void does_not_wait_after_fionbio(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    int on = 1;
    must("ioctl", ::ioctl(e.b, FIONBIO, &on));
    does_not_wait_for_room(s, e, by, 0);
}

void does_not_wait_when_told_so(stage& s, channel c, sender by) {
    does_not_wait_for_room(s, open_narrow(s, c), by, MSG_DONTWAIT);
}

long send_much(actor& me, sender by, int fd) {
    const std::string bytes = pattern(much);
    iovec part{const_cast<char*>(bytes.data()), much};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    return me.call_for_some(name_of(by), much, [&]() -> long {
        switch (by) {
            case sender::write:
                return ::write(fd, bytes.data(), much);
            case sender::writev:
                return ::writev(fd, &part, 1);
            case sender::send:
                return ::send(fd, bytes.data(), much, 0);
            case sender::sendto:
                return ::sendto(fd, bytes.data(), much, 0, nullptr, 0);
            case sender::sendmsg:
                return ::sendmsg(fd, &message, 0);
        }
        return -1;
    });
}

void is_partial_when_it_may_not_wait(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    s.add("writer", [=](actor& me) {
        must("fcntl", ::fcntl(e.b, F_SETFL, O_NONBLOCK));
        send_much(me, by, e.b);
    });
}

void gives_up_after_the_timeout(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    set_timeout(e.b, SO_SNDTIMEO, 40'000);
    fill(e.b);
    s.add("writer", [=](actor& me) {
        using namespace std::chrono_literals;
        me.takes_at_least(40ms, [&] { me.send(by, e.b, "x"); });
        me.log_mode(e.b);
    });
}

void is_partial_after_the_timeout(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    set_timeout(e.b, SO_SNDTIMEO, 40'000);
    s.add("writer", [=](actor& me) {
        using namespace std::chrono_literals;
        me.takes_at_least(40ms, [&] { send_much(me, by, e.b); });
    });
}

// --- a peer that is gone ---------------------------------------------------------------------

void log_signals(actor& me, int before) {
    me.log(std::to_string(broken_pipes() - before) + " SIGPIPE");
}

void wait_until_broken(int fd) {
    for (pollfd end{fd, 0, 0}; (end.revents & (POLLERR | POLLHUP)) == 0; ::sched_yield())
        ::syscall(SYS_poll, &end, 1, 0);
}

void raises_the_signal_when_the_peer_is_gone(stage& s, channel c, sender by) {
    const ends e = s.open(c);
    const int before = broken_pipes();
    must("close", ::close(e.a));
    s.disown(e.a);
    s.add("writer", [=](actor& me) {
        me.send(by, e.b, "hello");
        // TCP learns of it by the answer to the first.
        if (c == channel::tcp) wait_until_broken(e.b);
        for (int i = 0; i != 2; ++i) me.send(by, e.b, "hello");
        log_signals(me, before);
    });
}

void raises_no_signal_when_told_so(stage& s, channel c, sender by) {
    const ends e = s.open(c);
    const int before = broken_pipes();
    must("close", ::close(e.a));
    s.disown(e.a);
    s.add("writer", [=](actor& me) {
        for (int i = 0; i != 3; ++i) me.send(by, e.b, "hello", MSG_NOSIGNAL);
        log_signals(me, before);
    });
}

void tells_a_reset_once(stage& s, channel c, sender by) {
    const ends e = s.open(c);
    const int before = broken_pipes();
    reset_on_close(e.a);
    must("close", ::close(e.a));
    s.disown(e.a);
    s.add("writer", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.send(by, e.b, "hello");
        log_signals(me, before);
    });
}

void fails_after_a_local_shutdown(stage& s, channel c, sender by) {
    const ends e = s.open(c);
    const int before = broken_pipes();
    s.add("writer", [=](actor& me) {
        me.call("shutdown", [=] { return ::shutdown(e.b, SHUT_WR); });
        me.send(by, e.b, "hello");
        log_signals(me, before);
        me.receive(receiver::recv, e.a, 10);
    });
}

// The peer goes, or this end is shut down, when some of it is sent and the rest waits for room.
template <class End>
void is_partial_when_it_ends(stage& s, channel c, sender by, End end) {
    const ends e = open_narrow(s, c);
    const int before = broken_pipes();
    s.add("writer", [=](actor& me) {
        send_much(me, by, e.b);
        log_signals(me, before);
        for (int i = 0; i != 2; ++i) me.send(by, e.b, "more");
        log_signals(me, before);
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("writer");
        end(me, e);
    });
}

void is_partial_when_the_peer_goes(stage& s, channel c, sender by) {
    is_partial_when_it_ends(s, c, by, [](actor& me, ends e) { me.close(e.a); });
}

void is_partial_when_the_peer_resets(stage& s, channel c, sender by) {
    is_partial_when_it_ends(s, c, by, [](actor& me, ends e) {
        reset_on_close(e.a);
        me.close(e.a);
    });
}

void is_partial_when_shut_down(stage& s, channel c, sender by) {
    is_partial_when_it_ends(s, c, by, [](actor& me, ends e) {
        me.call("shutdown", [=] { return ::shutdown(e.b, SHUT_WR); });
    });
}

// As many parts as go into one call, and few bytes in each.
void goes_in_many_parts(stage& s, channel c, sender by) {
    const ends e = open_narrow(s, c);
    s.add("writer", [=](actor& me) {
        std::string bytes = pattern(much / 4);
        std::vector<iovec> parts(1024);
        const std::size_t each = bytes.size() / parts.size();
        for (std::size_t i = 0; i != parts.size(); ++i) parts[i] = {&bytes[i * each], each};
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        me.call(name_of(by), [&] {
            return by == sender::sendmsg
                       ? ::sendmsg(e.b, &message, 0)
                       : ::writev(e.b, parts.data(), static_cast<int>(parts.size()));
        });
        me.close(e.b);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        read_to_the_end(me, e.a);
    });
}

const oracle_case<sender> cases[] = {
    {"goes_into_what_has_room", any, goes_into_what_has_room},
    {"is_complete_when_it_returns", stream, is_complete_when_it_returns},
    {"goes_in_many_parts",
     [](channel c, sender s) {
         return stream(c, s) && (s == sender::writev || s == sender::sendmsg);
     },
     goes_in_many_parts},
    {"waits_for_room", fills_up, waits_for_room},
    {"waits_for_room_for_all_of_a_small_one", pipe, waits_for_room_for_all_of_a_small_one},
    {"does_not_wait_after_fcntl", fills_up, does_not_wait_after_fcntl},
    {"does_not_wait_after_fionbio", fills_up, does_not_wait_after_fionbio},
    {"does_not_wait_when_told_so",
     [](channel c, sender s) { return fills_up(c, s) && with_flags(c, s); },
     does_not_wait_when_told_so},
    {"is_partial_when_it_may_not_wait", stream, is_partial_when_it_may_not_wait},
    {"gives_up_after_the_timeout",
     [](channel c, sender s) { return fills_up(c, s) && is_socket(c); },
     gives_up_after_the_timeout},
    {"is_partial_after_the_timeout", stream_socket, is_partial_after_the_timeout},
    {"raises_the_signal_when_the_peer_is_gone", any, raises_the_signal_when_the_peer_is_gone},
    {"raises_no_signal_when_told_so", with_flags, raises_no_signal_when_told_so},
    {"tells_a_reset_once", tcp, tells_a_reset_once},
    {"fails_after_a_local_shutdown", stream_socket, fails_after_a_local_shutdown},
    {"is_partial_when_the_peer_goes", stream, is_partial_when_the_peer_goes},
    {"is_partial_when_the_peer_resets", tcp, is_partial_when_the_peer_resets},
    {"is_partial_when_shut_down", stream_socket, is_partial_when_shut_down},
};

class sending : public ::testing::TestWithParam<oracle_param<sender>> {};

TEST_P(sending, is_what_the_kernel_does) { compare(GetParam(), all_senders); }

INSTANTIATE_TEST_SUITE_P(, sending, all_params(cases, all_senders), param_name<sender>);

}  // namespace
