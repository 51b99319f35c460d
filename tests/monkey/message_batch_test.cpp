// recvmmsg and sendmmsg, compared with the kernel.

#include <sys/socket.h>

#include <array>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

constexpr channel datagrams[] = {channel::udp, channel::unix_datagram, channel::datagram_pair};

// Three places of eight bytes.
struct batch {
    batch() {
        for (std::size_t i = 0; i != messages.size(); ++i) {
            parts[i] = {bytes[i].data(), bytes[i].size()};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
    }
    batch(const batch&) = delete;
    batch& operator=(const batch&) = delete;
    void put(std::size_t i, std::string_view text) {
        std::copy(text.begin(), text.end(), bytes[i].begin());
        parts[i].iov_len = text.size();
    }

    std::array<std::array<char, 8>, 3> bytes{};
    std::array<iovec, 3> parts{};
    std::array<mmsghdr, 3> messages{};
};

void receive(actor& me, int fd, int flags = 0, timespec* timeout = nullptr, unsigned count = 3) {
    batch b;
    const long n = me.call(
        "recvmmsg", [&] { return ::recvmmsg(fd, b.messages.data(), count, flags, timeout); });
    for (long i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        me.log(std::string(b.bytes[at].data(), std::min(b.messages[at].msg_len, 8U)) + ", flags " +
               std::to_string(b.messages[at].msg_hdr.msg_flags));
    }
}

void waits_for_all(stage& s) {
    for (const channel c : datagrams) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) { receive(me, e.a); });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            for (const char* text : {"one", "two", "a longer one"}) {
                me.send(e.b, text);
                me.until_drained(e.a);
            }
        });
    }
}

void takes_what_is_there(stage& s) {
    for (const channel c : datagrams) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            receive(me, e.a, MSG_DONTWAIT);
            for (const int flags : {int{MSG_DONTWAIT}, int{MSG_WAITFORONE}}) {
                me.send(e.b, "one");
                me.send(e.b, "two");
                receive(me, e.a, flags);
            }
        });
    }
}

void waits_for_one(stage& s) {
    for (const channel c : datagrams) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) { receive(me, e.a, MSG_WAITFORONE); });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            me.send(e.b, "one");
        });
    }
}

void does_not_wait_when_non_blocking(stage& s) {
    for (const channel c : datagrams) {
        const ends e = s.open(c, SOCK_NONBLOCK);
        s.add(name_of(c), [=](actor& me) {
            receive(me, e.a);
            me.send(e.b, "one");
            receive(me, e.a);
            me.log_mode(e.a);
        });
    }
}

void ends_at_the_sockets_timeout(stage& s) {
    for (const channel c : datagrams) {
        const ends e = s.open(c);
        set_timeout(e.a, SO_RCVTIMEO, 30'000);
        s.add(name_of(c), [=](actor& me) {
            me.takes_at_least(30ms, [&] { receive(me, e.a); });
            me.send(e.b, "one");
            me.takes_at_least(30ms, [&] { receive(me, e.a); });
        });
    }
}

// The time is looked at after each message.
void ends_after_the_first_that_is_late(stage& s) {
    const ends e = s.open(channel::udp);
    s.add("caller", [=](actor& me) {
        timespec time{0, 0};
        receive(me, e.a, 0, &time);
        time = {60, 0};
        for (int i = 0; i != 3; ++i) me.send(e.b, "in time");
        receive(me, e.a, 0, &time);
        me.log(time.tv_sec >= 58 && time.tv_sec < 60 ? "time is left" : "no time is left");
        time = {0, 1'000'000'000};
        receive(me, e.a, 0, &time);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("caller");
        me.send(e.b, "late");
    });
}

void of_a_stream(stage& s) {
    for (const channel c : {channel::tcp, channel::pair}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            receive(me, e.a);
            receive(me, e.a);
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            me.send(e.b, "abcdefghijk");
            me.until_drained(e.a);
            me.close(e.b);
        });
    }
}

void sends_all(stage& s) {
    for (const channel c : {channel::udp, channel::datagram_pair, channel::tcp, channel::pair}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            batch b;
            for (std::size_t i = 0; i != 3; ++i) b.put(i, i == 0 ? "one" : "second");
            me.call("sendmmsg", [&] { return ::sendmmsg(e.b, b.messages.data(), 3, 0); });
            for (const mmsghdr& each : b.messages) me.log(std::to_string(each.msg_len));
            if (is_datagram(c))
                for (int i = 0; i != 3; ++i) me.receive(receiver::recv, e.a, 10);
        });
    }
}

void waits_for_room(stage& s) {
    for (const channel c : {channel::datagram_pair, channel::pair}) {
        const ends e = s.open(c);
        fill(e.b);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            batch b;
            for (std::size_t i = 0; i != 3; ++i) b.put(i, "message");
            me.call("sendmmsg", [&] { return ::sendmmsg(e.b, b.messages.data(), 3, 0); });
        });
        s.add(name + " reader", [=](actor& me) {
            me.until_blocked(name);
            char piece[8192];
            while (!me.has_ended(name))
                if (::recv(e.a, piece, sizeof piece, MSG_DONTWAIT) < 0) me.give_way();
        });
    }
}

void refuses_bad_arguments(stage& s) {
    const ends e = s.open(channel::udp);
    const ends pipe = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        batch b;
        auto* const messages = b.messages.data();
        auto* const bad = bad_pointer<mmsghdr>();
        for (const int fd : {-1, 900, pipe.a}) {
            me.call("recvmmsg", [&] { return ::recvmmsg(fd, messages, 3, 0, nullptr); });
            me.call("sendmmsg", [&] { return ::sendmmsg(fd, messages, 3, 0); });
        }
        me.call("recvmmsg", [&] { return ::recvmmsg(e.a, messages, 0, 0, nullptr); });
        me.call("sendmmsg", [&] { return ::sendmmsg(e.b, messages, 0, 0); });
        me.call("recvmmsg", [&] { return ::recvmmsg(e.a, bad, 3, 0, nullptr); });
        me.call("sendmmsg", [&] { return ::sendmmsg(e.b, bad, 3, 0); });
    });
}

void sees_the_peer_go(stage& s) {
    for (const channel c : {channel::pair, channel::tcp}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            receive(me, e.a, MSG_WAITFORONE);
            receive(me, e.a);
            const int before = broken_pipes();
            batch b;
            b.put(0, "one");
            if (c == channel::pair)
                me.call("sendmmsg", [&] { return ::sendmmsg(e.a, b.messages.data(), 3, 0); });
            me.log(std::to_string(broken_pipes() - before) + " signals");
        });
        s.add(name + " peer", [=](actor& me) {
            me.until_blocked(name);
            me.send(e.b, "last");
            me.until_blocked(name);
            me.close(e.b);
        });
    }
}

void tells_a_reset(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("reader", [=](actor& me) {
        receive(me, e.a);
        receive(me, e.a);
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("reader");
        reset_on_close(e.b);
        me.close(e.b);
    });
}

void is_refused_when_the_peer_is_gone(stage& s) {
    const ends e = s.open(channel::udp);
    s.add("caller", [=](actor& me) {
        me.close(e.a);
        batch b;
        b.put(0, "one");
        me.call("sendmmsg", [&] { return ::sendmmsg(e.b, b.messages.data(), 1, 0); });
        receive(me, e.b);
        me.call("sendmmsg", [&] { return ::sendmmsg(e.b, b.messages.data(), 1, 0); });
        me.call("sendmmsg", [&] { return ::sendmmsg(e.b, b.messages.data(), 1, 0); });
    });
}

const named_scenario scenarios[] = {
    {"sees_the_peer_go", sees_the_peer_go},
    {"tells_a_reset", tells_a_reset},
    {"is_refused_when_the_peer_is_gone", is_refused_when_the_peer_is_gone},
    {"waits_for_all", waits_for_all},
    {"takes_what_is_there", takes_what_is_there},
    {"waits_for_one", waits_for_one},
    {"does_not_wait_when_non_blocking", does_not_wait_when_non_blocking},
    {"ends_at_the_sockets_timeout", ends_at_the_sockets_timeout},
    {"ends_after_the_first_that_is_late", ends_after_the_first_that_is_late},
    {"of_a_stream", of_a_stream},
    {"sends_all", sends_all},
    {"waits_for_room", waits_for_room},
    {"refuses_bad_arguments", refuses_bad_arguments},
};

class a_batch : public ::testing::TestWithParam<named_scenario> {};

TEST_P(a_batch, is_moved_as_by_the_kernel) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, a_batch, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
