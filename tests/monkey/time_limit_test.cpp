// SO_RCVTIMEO and SO_SNDTIMEO below zero: nothing is waited for. Compared with the kernel.

#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;

void set_limit(actor& me, int fd, int name, timeval value) {
    me.call("setsockopt", [&] { return ::setsockopt(fd, SOL_SOCKET, name, &value, sizeof value); });
    timeval got{7, 7};
    socklen_t length = sizeof got;
    me.call("getsockopt", [&] { return ::getsockopt(fd, SOL_SOCKET, name, &got, &length); });
    me.log(std::to_string(got.tv_sec) + " s " + std::to_string(got.tv_usec) + " us");
}

constexpr timeval at_once{-1, 0};
constexpr timeval for_ever{0, 0};

void receives_nothing_at_once(stage& s) {
    for (const channel c : all_channels) {
        if (!is_socket(c)) continue;
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            set_limit(me, e.a, SO_RCVTIMEO, at_once);
            for (const receiver by : all_receivers) me.receive(by, e.a, 10);
            me.receive(receiver::recv, e.a, 10, MSG_WAITALL);
            me.log_mode(e.a);
            must("write", ::write(e.b, "hello", 5));
            me.receive(receiver::recv, e.a, 10, MSG_WAITALL);
            set_limit(me, e.a, SO_RCVTIMEO, for_ever);
            me.receive(receiver::recv, e.a, 10);
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name, 11);
            must("write", ::write(e.b, "later", 5));
        });
    }
}

void accepts_nothing_at_once(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const int listener = s.own(open_listener(domain, 8));
        s.add(std::to_string(domain), [=](actor& me) {
            set_limit(me, listener, SO_RCVTIMEO, at_once);
            for (int i = 0; i != 2; ++i)
                me.make("accept", [=] { return ::accept(listener, nullptr, nullptr); });
        });
    }
}

// TCP's connections have the limit of their listener.
void hands_it_on_to_connections(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    s.add("caller", [=](actor& me) {
        set_limit(me, listener, SO_RCVTIMEO, at_once);
        const address at = address_of(listener);
        const int peer = must("socket", ::socket(AF_INET, SOCK_STREAM, 0));
        must("connect", ::connect(peer, at.get(), at.length));
        const int fd = me.make("accept", [=] { return ::accept(listener, nullptr, nullptr); });
        me.receive(receiver::recv, fd, 10);
        me.close(fd);
        me.close(peer);
    });
}

void sends_nothing_at_once(stage& s) {
    for (const channel c : {channel::pair, channel::datagram_pair, channel::tcp}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            const std::string piece(4096, 'x');
            fill(e.b);
            set_limit(me, e.b, SO_SNDTIMEO, at_once);
            for (const sender by : all_senders) me.send(by, e.b, piece);
            me.log_mode(e.b);
        });
    }
}

void connects_in_the_background(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 0));
    const address at = address_of(listener);
    // Its queue is full: it does not answer.
    for (int i = 0; i != 4; ++i) {
        const int next = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
        static_cast<void>(::connect(next, at.get(), at.length));
        pollfd connected{next, POLLOUT, 0};
        if (::poll(&connected, 1, 20) == 0) break;
    }
    const int fd = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    s.add("caller", [=](actor& me) {
        set_limit(me, fd, SO_SNDTIMEO, at_once);
        for (int i = 0; i != 2; ++i)
            me.call("connect", [&] { return ::connect(fd, at.get(), at.length); });
        me.log_mode(fd);
    });
}

void of_a_bad_value_are_refused(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO})
            for (const timeval value :
                 {timeval{-1, -1}, timeval{-1, 1'000'000}, timeval{-1, 5}, timeval{1, 0}})
                set_limit(me, e.a, name, value);
    });
}

const named_scenario scenarios[] = {
    {"receives_nothing_at_once", receives_nothing_at_once},
    {"accepts_nothing_at_once", accepts_nothing_at_once},
    {"hands_it_on_to_connections", hands_it_on_to_connections},
    {"sends_nothing_at_once", sends_nothing_at_once},
    {"connects_in_the_background", connects_in_the_background},
    {"of_a_bad_value_are_refused", of_a_bad_value_are_refused},
};

class a_negative_limit : public ::testing::TestWithParam<named_scenario> {};

TEST_P(a_negative_limit, is_what_it_is_to_the_kernel) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, a_negative_limit, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
