// What only datagrams do, compared with the kernel.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <cstring>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

long send_to(actor& me, int fd, std::string_view bytes, const address& to, int flags = 0) {
    return me.call("sendto", [&] {
        return ::sendto(fd, bytes.data(), bytes.size(), flags, to.get(), to.length);
    });
}

long send_message_to(actor& me, int fd, std::string_view bytes, const address& to) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_name = const_cast<sockaddr*>(to.get());
    message.msg_namelen = to.length;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    return me.call("sendmsg", [&] { return ::sendmsg(fd, &message, 0); });
}

bool is_empty(int fd) {
    pollfd readable{fd, POLLIN, 0};
    return ::poll(&readable, 1, 0) == 0;
}

// A local receiver takes a dozen datagrams, then whoever sends must wait.
struct full_receiver {
    explicit full_receiver(stage& s)
        : fd(s.own(open_bound(AF_UNIX, SOCK_DGRAM))), at(address_of(fd)) {
        const int sender = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
        while (::sendto(sender, "fill", 4, MSG_DONTWAIT, at.get(), at.length) == 4) {
        }
    }
    int fd;
    address at;
};

void add_slow_reader(stage& s, int fd) {
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) {
            me.until_blocked("sender");
            me.receive(receiver::recv, fd, 10);
        }
    });
}

void waits_for_room_at_its_peer(stage& s) {
    const full_receiver to(s);
    const int fd = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
    must("connect", ::connect(fd, to.at.get(), to.at.length));
    s.add("sender", [=](actor& me) {
        for (const sender by : {sender::send, sender::write}) me.send(by, fd, "late");
        me.log_mode(fd);
    });
    add_slow_reader(s, to.fd);
}

void waits_for_room_at_whom_it_is_sent_to(stage& s) {
    const full_receiver to(s);
    const int fd = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
    s.add("sender", [=](actor& me) {
        send_to(me, fd, "late", to.at);
        send_message_to(me, fd, "later", to.at);
        me.log_mode(fd);
    });
    add_slow_reader(s, to.fd);
}

void does_not_wait_for_room_when_told_so(stage& s) {
    const full_receiver to(s);
    const int fd = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
    s.add("sender", [=](actor& me) {
        send_to(me, fd, "late", to.at, MSG_DONTWAIT);
        must("fcntl", ::fcntl(fd, F_SETFL, O_NONBLOCK));
        send_to(me, fd, "late", to.at);
        send_message_to(me, fd, "late", to.at);
    });
}

void gives_up_waiting_for_room(stage& s) {
    const full_receiver to(s);
    const int fd = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
    const int connected = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
    must("connect", ::connect(connected, to.at.get(), to.at.length));
    for (const int each : {fd, connected}) set_timeout(each, SO_SNDTIMEO, 30'000);
    s.add("sender", [=](actor& me) {
        me.takes_at_least(30ms, [&] { send_to(me, fd, "late", to.at); });
        me.takes_at_least(30ms, [&] { me.send(connected, "late"); });
    });
}

void is_refused_when_the_receiver_goes(stage& s) {
    const full_receiver to(s);
    const int fd = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
    const int connected = s.own(must("socket", ::socket(AF_UNIX, SOCK_DGRAM, 0)));
    must("connect", ::connect(connected, to.at.get(), to.at.length));
    s.add("sender", [=](actor& me) { send_to(me, fd, "late", to.at); });
    s.add("peer", [=](actor& me) { me.send(connected, "late"); });
    s.add("receiver", [=](actor& me) {
        for (const char* name : {"sender", "peer"}) me.until_blocked(name);
        me.close(to.fd);
    });
}

void tells_who_sent_each(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const int to = s.own(open_bound(domain, SOCK_DGRAM));
        const int from[] = {s.own(open_bound(domain, SOCK_DGRAM)),
                            s.own(open_bound(domain, SOCK_DGRAM))};
        const std::string name = std::to_string(domain);
        s.add(name, [=](actor& me) {
            for (const int expected : from) {
                address who;
                char bytes[10];
                me.call("recvfrom", [&] {
                    return ::recvfrom(to, bytes, sizeof bytes, 0, who.get(), &who.length);
                });
                const address right = address_of(expected);
                me.log(who.length == right.length &&
                               std::memcmp(who.get(), right.get(), right.length) == 0
                           ? "the sender"
                           : "somebody else");
                send_to(me, to, "back", who);
            }
        });
        s.add(name + " sender", [=](actor& me) {
            for (const int fd : from) {
                me.until_blocked(name);
                send_to(me, fd, "hello", address_of(to));
                me.receive(receiver::recv, fd, 10);
            }
        });
    }
}

void cuts_the_senders_address(stage& s) {
    const ends e = s.open(channel::udp);
    s.add("caller", [=](actor& me) {
        me.send(e.b, "hello");
        address who;
        who.length = 2;
        char bytes[10];
        me.call("recvfrom",
                [&] { return ::recvfrom(e.a, bytes, sizeof bytes, 0, who.get(), &who.length); });
        me.log(std::to_string(who.length) + " bytes of family " +
               std::to_string(who.storage.ss_family));
    });
}

void refuses_what_is_too_long(stage& s) {
    for (const channel c : {channel::udp, channel::datagram_pair}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            for (const sender by : all_senders) me.send(by, e.b, std::string(700'000, 'x'));
            me.receive(receiver::recv, e.a, 10, MSG_DONTWAIT);
        });
    }
}

void refuses_what_goes_nowhere(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const int fd = s.own(must("socket", ::socket(domain, SOCK_DGRAM, 0)));
        s.add(std::to_string(domain), [=](actor& me) {
            for (const sender by : all_senders) me.send(by, fd, "hello");
            address nobody;
            nobody.storage.ss_family = AF_UNIX;
            nobody.length = sizeof(sa_family_t) + 8;
            send_to(me, fd, "hello", nobody);
        });
    }
}

// An empty one is no end.
void brings_empty_ones(stage& s) {
    for (const channel c : {channel::udp, channel::unix_datagram, channel::datagram_pair}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            for (const receiver by : all_receivers) me.receive(by, e.a, 10);
            for (const int flags : {int{MSG_PEEK}, int{MSG_WAITALL}, int{MSG_TRUNC}})
                me.receive(receiver::recvmsg, e.a, 10, flags);
            pollfd readable{e.a, POLLIN, 0};
            me.call("poll", [&] { return ::poll(&readable, 1, 0); });
            me.receive(receiver::recv, e.a, 10, MSG_DONTWAIT);
            me.receive(receiver::recv, e.a, 10);
        });
        s.add(name + " sender", [=](actor& me) {
            for (const sender by : all_senders) {
                me.until_blocked(name);
                me.send(by, e.b, "");
                // Of nothing, write() sends a datagram, and writev() none.
                if (by == sender::writev) me.send(e.b, "");
                me.until([&] { return is_empty(e.a); });
            }
            me.until_blocked(name);
            for (int i = 0; i != 2; ++i) me.send(e.b, "");
            me.until_blocked(name, 10);
            me.send(e.b, "end");
        });
    }
}

const named_scenario scenarios[] = {
    {"brings_empty_ones", brings_empty_ones},
    {"waits_for_room_at_its_peer", waits_for_room_at_its_peer},
    {"waits_for_room_at_whom_it_is_sent_to", waits_for_room_at_whom_it_is_sent_to},
    {"does_not_wait_for_room_when_told_so", does_not_wait_for_room_when_told_so},
    {"gives_up_waiting_for_room", gives_up_waiting_for_room},
    {"is_refused_when_the_receiver_goes", is_refused_when_the_receiver_goes},
    {"tells_who_sent_each", tells_who_sent_each},
    {"cuts_the_senders_address", cuts_the_senders_address},
    {"refuses_what_is_too_long", refuses_what_is_too_long},
    {"refuses_what_goes_nowhere", refuses_what_goes_nowhere},
};

class datagrams : public ::testing::TestWithParam<named_scenario> {};

TEST_P(datagrams, do_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, datagrams, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
