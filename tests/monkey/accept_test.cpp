// accept and accept4, compared with the kernel.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <cstring>

#include "support/oracle_cases.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

// --- the two calls ---------------------------------------------------------------------------

int accept_once(actor& me, int listener, int flags, address* from = nullptr) {
    sockaddr* const whom = from == nullptr ? nullptr : from->get();
    socklen_t* const length = from == nullptr ? nullptr : &from->length;
    return flags < 0 ? me.make("accept", [&] { return ::accept(listener, whom, length); })
                     : me.make("accept4", [&] { return ::accept4(listener, whom, length, flags); });
}

constexpr int by_accept = -1;

// Without waiting for the accept; a listener with room takes it at once.
int connect_to(int listener) {
    const address at = address_of(listener);
    const int fd = must("socket", ::socket(at.storage.ss_family, SOCK_STREAM, 0));
    must("connect", ::connect(fd, at.get(), at.length));
    return fd;
}

// A scenario for each family, by both calls.
template <class Play>
void with_listeners(stage& s, Play play, int listener_flags = 0) {
    for (const int domain : {AF_INET, AF_UNIX})
        for (const int flags : {by_accept, 0}) {
            const int listener = s.own(open_listener(domain, 8, listener_flags));
            play(listener, flags, std::to_string(domain) + (flags < 0 ? "" : " by accept4"));
        }
}

void takes_who_is_there(stage& s) {
    with_listeners(s, [&](int listener, int flags, const std::string& name) {
        s.own(connect_to(listener));
        s.add(name, [=](actor& me) {
            const int fd = accept_once(me, listener, flags);
            me.log_mode(fd);
            me.log_mode(listener);
            me.close(fd);
        });
    });
}

void waits_for_a_connection(stage& s) {
    with_listeners(s, [&](int listener, int flags, const std::string& name) {
        s.add(name, [=](actor& me) {
            for (int i = 0; i != 3; ++i) {
                const int fd = accept_once(me, listener, flags);
                me.receive(receiver::recv, fd, 10);
                me.close(fd);
            }
            me.log_mode(listener);
        });
        s.add(name + " peer", [=](actor& me) {
            for (int i = 0; i != 3; ++i) {
                me.until_blocked(name);
                const int fd = connect_to(listener);
                me.until_blocked(name);
                must("send", ::send(fd, "hello", 5, 0));
                must("close", ::close(fd));
            }
        });
    });
}

void accept_without_waiting(stage& s, int listener, int flags, const std::string& name) {
    s.add(name, [=, &s](actor& me) {
        accept_once(me, listener, flags);
        s.own(connect_to(listener));
        const int fd = accept_once(me, listener, flags);
        me.log_mode(fd);
        accept_once(me, listener, flags);
        me.log_mode(listener);
        me.close(fd);
    });
}

void does_not_wait_after_fcntl(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    must("fcntl", ::fcntl(listener, F_SETFL, O_NONBLOCK));
    accept_without_waiting(s, listener, by_accept, "caller");
}

void does_not_wait_when_made_so(stage& s) {
    const int listener = s.own(open_listener(AF_UNIX, 8, SOCK_NONBLOCK));
    accept_without_waiting(s, listener, 0, "caller");
}

void gives_the_flags(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    for (int i = 0; i != 4; ++i) s.own(connect_to(listener));
    s.add("caller", [=](actor& me) {
        for (const int flags : {int{SOCK_NONBLOCK}, int{SOCK_CLOEXEC}, 0x12345}) {
            const int fd = accept_once(me, listener, flags);
            me.log_mode(fd);
            me.call("F_GETFD", [=] { return ::fcntl(fd, F_GETFD); });
            me.close(fd);
        }
        const int fd = accept_once(me, listener, SOCK_NONBLOCK);
        me.receive(receiver::recv, fd, 10);
        me.close(fd);
    });
}

void tells_the_address(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const int listener = s.own(open_listener(domain, 8));
        const int peer = s.own(open_bound(domain, SOCK_STREAM));
        s.add(std::to_string(domain), [=](actor& me) {
            const address at = address_of(listener);
            me.call("connect", [&] { return ::connect(peer, at.get(), at.length); });
            address from;
            const int fd = accept_once(me, listener, by_accept, &from);
            const address expected = address_of(peer);
            me.log(from.length == expected.length &&
                           std::memcmp(from.get(), expected.get(), from.length) == 0
                       ? "the peer's address"
                       : "another address");
            me.close(fd);
        });
    }
}

void cuts_the_address(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    s.add("caller", [=](actor& me) {
        address from;
        from.length = 2;
        const int peer = connect_to(listener);
        const int fd = accept_once(me, listener, by_accept, &from);
        me.log(std::to_string(from.length) + " bytes of family " +
               std::to_string(from.storage.ss_family));
        me.close(fd);
        me.close(peer);
    });
}

void gives_up_after_the_timeout(stage& s) {
    with_listeners(s, [&](int listener, int flags, const std::string& name) {
        set_timeout(listener, SO_RCVTIMEO, 30'000);
        s.add(name, [=](actor& me) {
            me.takes_at_least(30ms, [&] { accept_once(me, listener, flags); });
            me.log_mode(listener);
        });
    });
}

// TCP hands its listener's timeout on to the connections, a unix socket does not.
void hands_on_the_timeout(stage& s) {
    for (const int domain : {AF_INET, AF_UNIX}) {
        const int listener = s.own(open_listener(domain, 8));
        set_timeout(listener, SO_RCVTIMEO, 30'000);
        const std::string name = std::to_string(domain);
        const int peer = s.own(connect_to(listener));
        s.add(name, [=](actor& me) {
            const int fd = accept_once(me, listener, by_accept);
            me.receive(receiver::recv, fd, 10);
            me.close(fd);
        });
        if (domain == AF_UNIX)
            s.add("peer", [=](actor& me) {
                me.until_blocked(name, 1);
                me.call("poll", [&] { return ::poll(nullptr, 0, 60); });
                me.log(me.still_waits(name) ? "still waits" : "gave up");
                must("send", ::send(peer, "hello", 5, 0));
            });
    }
}

// A timeout that was set after the connection was made is only the listener's.
void hands_on_the_timeout_of_the_handshake(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    s.add("caller", [=](actor& me) {
        const int first = connect_to(listener);
        set_timeout(listener, SO_RCVTIMEO, 30'000);
        const int second = connect_to(listener);
        set_timeout(listener, SO_RCVTIMEO, 0);
        const int made[] = {accept_once(me, listener, by_accept),
                            accept_once(me, listener, by_accept)};
        me.receive(receiver::recv, made[1], 10);
        must("send", ::send(first, "hello", 5, 0));
        me.receive(receiver::recv, made[0], 10);
        for (const int fd : {first, second, made[0], made[1]}) me.close(fd);
    });
}

void is_woken_by_a_shutdown(stage& s) {
    with_listeners(s, [&](int listener, int flags, const std::string& name) {
        s.add(name, [=](actor& me) { accept_once(me, listener, flags); });
        s.add(name + " other", [=](actor& me) {
            me.until_blocked(name);
            me.call("shutdown", [=] { return ::shutdown(listener, SHUT_RD); });
        });
    });
}

void refuses_what_does_not_listen(stage& s) {
    const int bound = s.own(open_bound(AF_INET, SOCK_STREAM));
    const int udp = s.own(open_bound(AF_INET, SOCK_DGRAM));
    const ends pipe = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        for (const int fd : {bound, udp, pipe.a, -1, 900})
            for (const int flags : {by_accept, 0}) accept_once(me, fd, flags);
    });
}

void refuses_bad_pointers(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    s.add("caller", [=](actor& me) {
        auto* const bad_address = bad_pointer<sockaddr>();
        auto* const bad_length = bad_pointer<socklen_t>();
        address from;
        const int peers[] = {connect_to(listener), connect_to(listener), connect_to(listener)};
        me.make("accept", [&] { return ::accept(listener, from.get(), bad_length); });
        me.make("accept", [&] { return ::accept(listener, bad_address, &from.length); });
        from.length = static_cast<socklen_t>(-1);
        me.make("accept", [&] { return ::accept(listener, from.get(), &from.length); });
        for (const int fd : peers) me.close(fd);
    });
}

void two_who_wait_get_one_each(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    for (const char* name : {"first", "second"})
        s.add(name, [=](actor& me) {
            const int fd = accept_once(me, listener, by_accept);
            me.receive(receiver::recv, fd, 1);
            me.close(fd);
        });
    s.add("peer", [=](actor& me) {
        for (const char* name : {"first", "second"}) me.until_blocked(name);
        for (int i = 0; i != 2; ++i) {
            const int fd = connect_to(listener);
            must("send", ::send(fd, "x", 1, 0));
            me.close(fd);
        }
    });
}

void takes_one_whose_peer_is_gone(stage& s) {
    with_listeners(s, [&](int listener, int flags, const std::string& name) {
        for (const bool resets : {false, true}) {
            const int peer = connect_to(listener);
            if (resets) reset_on_close(peer);
            ::close(peer);
        }
        s.add(name, [=](actor& me) {
            for (int i = 0; i != 2; ++i) {
                const int fd = accept_once(me, listener, flags);
                me.receive(receiver::recv, fd, 10);
                me.close(fd);
            }
        });
    });
}

const named_scenario scenarios[] = {
    {"takes_one_whose_peer_is_gone", takes_one_whose_peer_is_gone},
    {"takes_who_is_there", takes_who_is_there},
    {"waits_for_a_connection", waits_for_a_connection},
    {"does_not_wait_after_fcntl", does_not_wait_after_fcntl},
    {"does_not_wait_when_made_so", does_not_wait_when_made_so},
    {"gives_the_flags", gives_the_flags},
    {"tells_the_address", tells_the_address},
    {"cuts_the_address", cuts_the_address},
    {"gives_up_after_the_timeout", gives_up_after_the_timeout},
    {"hands_on_the_timeout", hands_on_the_timeout},
    {"hands_on_the_timeout_of_the_handshake", hands_on_the_timeout_of_the_handshake},
    {"is_woken_by_a_shutdown", is_woken_by_a_shutdown},
    {"refuses_what_does_not_listen", refuses_what_does_not_listen},
    {"refuses_bad_pointers", refuses_bad_pointers},
    {"two_who_wait_get_one_each", two_who_wait_get_one_each},
};

class accepting : public ::testing::TestWithParam<named_scenario> {};

TEST_P(accepting, is_what_the_kernel_does) {
    if (ramie::test::address_sanitizer && GetParam().prepare == &refuses_bad_pointers)
        GTEST_SKIP() << "AddressSanitizer looks at what is there";
    expect_same_as_kernel(GetParam().prepare);
}

INSTANTIATE_TEST_SUITE_P(, accepting, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
