// connect, compared with the kernel.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

int connect_once(actor& me, int fd, const address& at) {
    return static_cast<int>(me.call("connect", [&] { return ::connect(fd, at.get(), at.length); }));
}

int open_socket(stage& s, int domain, int type = SOCK_STREAM) {
    return s.own(must("socket", ::socket(domain, type, 0)));
}

// Nobody listens there, and nobody else can have the port.
address refusing_port(stage& s) { return address_of(s.own(open_bound(AF_INET, SOCK_STREAM))); }

void log_pending_error(actor& me, int fd) {
    int error = -1;
    socklen_t length = sizeof error;
    me.call("SO_ERROR", [&] { return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length); });
    me.log(strerrorname_np(error) == nullptr ? "none" : strerrorname_np(error));
}

void makes_a_connection_once(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const address at = address_of(s.own(open_listener(domain, 8)));
        const int fd = open_socket(s, domain);
        s.add(std::to_string(domain), [=](actor& me) {
            for (int i = 0; i != 3; ++i) connect_once(me, fd, at);
            me.log_mode(fd);
            log_pending_error(me, fd);
            me.send(fd, "hello");
        });
    }
}

void is_refused_each_time(stage& s) {
    const address at = refusing_port(s);
    const int fd = open_socket(s, AF_INET);
    s.add("caller", [=](actor& me) {
        for (int i = 0; i != 3; ++i) connect_once(me, fd, at);
        me.log_mode(fd);
        log_pending_error(me, fd);
    });
}

void succeeds_after_a_refusal(stage& s) {
    const address nobody = refusing_port(s);
    const address somebody = address_of(s.own(open_listener(AF_INET, 8)));
    const int fd = open_socket(s, AF_INET);
    s.add("caller", [=](actor& me) {
        connect_once(me, fd, nobody);
        connect_once(me, fd, somebody);
        me.send(fd, "hello");
    });
}

void is_refused_by_a_missing_name(stage& s) {
    address at;
    at.storage.ss_family = AF_UNIX;
    std::string("/nonexistent/socket").copy(at.get()->sa_data, sizeof(sockaddr::sa_data));
    const int fd = open_socket(s, AF_UNIX);
    s.add("caller", [=](actor& me) { connect_once(me, fd, at); });
}

void goes_on_in_the_background_when_non_blocking(stage& s) {
    const address at = address_of(s.own(open_listener(AF_INET, 8)));
    const int fd = open_socket(s, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    s.add("caller", [=](actor& me) {
        connect_once(me, fd, at);
        pollfd writable{fd, POLLOUT, 0};
        me.call("poll", [&] { return ::poll(&writable, 1, -1); });
        log_pending_error(me, fd);
        for (int i = 0; i != 2; ++i) connect_once(me, fd, at);
        me.log_mode(fd);
    });
}

// A listener whose queue is full does not answer: the next one waits.
struct full_listener {
    full_listener(stage& s, int domain) : fd(s.own(open_listener(domain, 0))), at(address_of(fd)) {
        for (;;) {
            const int next = open_socket(s, domain, SOCK_STREAM | SOCK_NONBLOCK);
            const int result = ::connect(next, at.get(), at.length);
            if (domain == AF_UNIX && result < 0) break;
            pollfd connected{next, POLLOUT, 0};
            if (domain == AF_INET && ::poll(&connected, 1, 20) == 0) break;
        }
    }
    int fd;
    address at;
};

void gives_up_after_the_timeout(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const full_listener to(s, domain);
        const int fd = open_socket(s, domain);
        set_timeout(fd, SO_SNDTIMEO, 30'000);
        s.add(std::to_string(domain), [=](actor& me) {
            me.takes_at_least(30ms, [&] { connect_once(me, fd, to.at); });
            me.log_mode(fd);
            me.takes_at_least(30ms, [&] { connect_once(me, fd, to.at); });
        });
    }
}

void waits_for_room_in_a_local_listener(stage& s) {
    const full_listener to(s, AF_UNIX);
    const int fd = open_socket(s, AF_UNIX);
    s.add("caller", [=](actor& me) {
        connect_once(me, fd, to.at);
        me.log_mode(fd);
    });
    s.add("listener", [=](actor& me) {
        me.until_blocked("caller");
        me.close(me.make("accept", [&] { return ::accept(to.fd, nullptr, nullptr); }));
    });
}

void does_not_wait_for_room_when_non_blocking(stage& s) {
    const full_listener to(s, AF_UNIX);
    const int fd = open_socket(s, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
    s.add("caller", [=](actor& me) { connect_once(me, fd, to.at); });
}

// A blocking connect joins the one that is under way.
void waits_for_what_is_under_way(stage& s) {
    const full_listener to(s, AF_INET);
    const int fd = open_socket(s, AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    s.add("caller", [=](actor& me) {
        for (int i = 0; i != 2; ++i) connect_once(me, fd, to.at);
        must("fcntl", ::fcntl(fd, F_SETFL, 0));
        connect_once(me, fd, to.at);
        connect_once(me, fd, to.at);
    });
    s.add("listener", [=](actor& me) {
        me.until_blocked("caller", 2);
        // The kernel tries again after a second.
        while (!me.has_ended("caller")) {
            pollfd readable{to.fd, POLLIN, 0};
            if (::poll(&readable, 1, 10) == 1)
                must("close", ::close(::accept(to.fd, nullptr, nullptr)));
        }
    });
}

void is_refused_when_the_listener_goes(stage& s) {
    const full_listener to(s, AF_UNIX);
    const int fd = open_socket(s, AF_UNIX);
    s.add("caller", [=](actor& me) { connect_once(me, fd, to.at); });
    s.add("listener", [=](actor& me) {
        me.until_blocked("caller");
        me.close(to.fd);
    });
}

void is_unmade_by_a_shutdown(stage& s) {
    for (const int how : {int{SHUT_RDWR}, int{SHUT_WR}, int{SHUT_RD}}) {
        const full_listener to(s, AF_INET);
        const int fd = open_socket(s, AF_INET);
        const std::string name = std::to_string(how);
        s.add(name, [=](actor& me) {
            connect_once(me, fd, to.at);
            me.log_mode(fd);
            log_pending_error(me, fd);
            me.call("send", [=] { return ::send(fd, "x", 1, MSG_NOSIGNAL); });
            me.call("recv", [=] { return ::recv(fd, nullptr, 0, 0); });
        });
        s.add(name + " other", [=](actor& me) {
            me.until_blocked(name);
            me.call("shutdown", [=] { return ::shutdown(fd, how); });
        });
    }
}

void begins_again_after_a_shutdown(stage& s) {
    const full_listener to(s, AF_INET);
    const address somebody = address_of(s.own(open_listener(AF_INET, 8)));
    const int fd = open_socket(s, AF_INET);
    s.add("caller", [=](actor& me) {
        connect_once(me, fd, to.at);
        connect_once(me, fd, somebody);
        me.send(fd, "hello");
    });
    s.add("other", [=](actor& me) {
        me.until_blocked("caller");
        me.call("shutdown", [=] { return ::shutdown(fd, SHUT_RDWR); });
    });
}

void changes_a_datagram_sockets_peer(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const int first = s.own(open_bound(domain, SOCK_DGRAM));
        const int second = s.own(open_bound(domain, SOCK_DGRAM));
        const int fd = open_socket(s, domain, SOCK_DGRAM);
        s.add(std::to_string(domain), [=](actor& me) {
            for (const int peer : {first, second}) {
                connect_once(me, fd, address_of(peer));
                me.send(fd, "hello");
                me.receive(receiver::recv, peer, 10);
            }
            address nobody;
            nobody.storage.ss_family = AF_UNSPEC;
            connect_once(me, fd, nobody);
            me.send(fd, "hello");
        });
    }
}

void refuses_bad_arguments(stage& s) {
    const ends pipe = s.open(channel::pipe);
    const address local = address_of(s.own(open_listener(AF_UNIX, 8)));
    const address at = address_of(s.own(open_listener(AF_INET, 8)));
    const int tcp = open_socket(s, AF_INET);
    const int unix_socket = open_socket(s, AF_UNIX);
    s.add("caller", [=](actor& me) {
        for (const int fd : {-1, 900, pipe.a}) connect_once(me, fd, at);
        connect_once(me, tcp, local);
        connect_once(me, unix_socket, at);
        auto* const bad = bad_pointer<const sockaddr>();
        for (const int fd : {tcp, unix_socket}) {
            me.call("connect", [=] { return ::connect(fd, bad, sizeof(sockaddr_in)); });
            me.call("connect", [=] { return ::connect(fd, nullptr, 0); });
            me.call("connect", [=] { return ::connect(fd, at.get(), 3); });
            me.call("connect", [=] { return ::connect(fd, at.get(), 4096); });
        }
    });
}

const named_scenario scenarios[] = {
    {"makes_a_connection_once", makes_a_connection_once},
    {"is_refused_each_time", is_refused_each_time},
    {"succeeds_after_a_refusal", succeeds_after_a_refusal},
    {"is_refused_by_a_missing_name", is_refused_by_a_missing_name},
    {"goes_on_in_the_background_when_non_blocking", goes_on_in_the_background_when_non_blocking},
    {"gives_up_after_the_timeout", gives_up_after_the_timeout},
    {"waits_for_room_in_a_local_listener", waits_for_room_in_a_local_listener},
    {"does_not_wait_for_room_when_non_blocking", does_not_wait_for_room_when_non_blocking},
    {"waits_for_what_is_under_way", waits_for_what_is_under_way},
    {"is_refused_when_the_listener_goes", is_refused_when_the_listener_goes},
    {"is_unmade_by_a_shutdown", is_unmade_by_a_shutdown},
    {"begins_again_after_a_shutdown", begins_again_after_a_shutdown},
    {"changes_a_datagram_sockets_peer", changes_a_datagram_sockets_peer},
    {"refuses_bad_arguments", refuses_bad_arguments},
};

class connecting : public ::testing::TestWithParam<named_scenario> {};

TEST_P(connecting, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, connecting, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
