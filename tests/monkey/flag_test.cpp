// The rarer MSG_ flags, compared with the kernel.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;

constexpr channel sockets[] = {channel::tcp, channel::unix_stream, channel::udp,
                               channel::unix_datagram};

// A call with these flags on an empty socket: some fail at once, some wait as if there were none.
void on_an_empty_socket(stage& s, int flags, bool (*waits)(channel)) {
    for (const channel c : sockets) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            for (const receiver by : all_receivers)
                if (takes_flags(by)) me.receive(by, e.a, 10, flags);
        });
        if (!waits(c)) continue;
        s.add(name + " writer", [=](actor& me) {
            for (int i = 0; i != 3; ++i) {
                me.until_blocked(name);
                must("write", ::write(e.b, "hello", 5));
                me.until_drained(e.a);
            }
        });
    }
}

void no_urgent_data(stage& s) {
    on_an_empty_socket(s, MSG_OOB, [](channel c) { return c == channel::udp; });
}

void no_error_in_the_queue(stage& s) {
    on_an_empty_socket(s, MSG_ERRQUEUE, [](channel c) {
        return c == channel::unix_stream || c == channel::unix_datagram;
    });
}

void an_unknown_flag(stage& s) {
    on_an_empty_socket(s, 0x1000000, [](channel) { return true; });
}

void urgent_data(stage& s) {
    for (const channel c : {channel::tcp, channel::unix_stream}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            me.send(sender::send, e.b, "", MSG_OOB);
            me.send(sender::sendmsg, e.b, "ab!", MSG_OOB);
            me.receive(receiver::recv, e.a, 1, MSG_OOB | MSG_PEEK);
            me.receive(receiver::recv, e.a, 1, MSG_OOB);
            me.receive(receiver::recv, e.a, 1, MSG_OOB);
            me.receive(receiver::recv, e.a, 10);
            me.receive(receiver::recv, e.a, 10);
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name, 6);
            me.send(e.b, "end");
        });
    }
}

void urgent_data_in_the_stream(stage& s) {
    const ends e = s.open(channel::tcp);
    const int on = 1;
    must("SO_OOBINLINE", ::setsockopt(e.a, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 3; ++i) me.receive(receiver::recv, e.a, 10);
        me.receive(receiver::recv, e.a, 1, MSG_OOB);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("send", ::send(e.b, "ab!", 3, MSG_OOB));
        me.until_drained(e.a);
        me.until_blocked("reader", 2);
        must("send", ::send(e.b, "end", 3, 0));
    });
}

// TCP throws away as many bytes as it is told, into no buffer.
void thrown_away(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("reader", [=](actor& me) {
        char* const nowhere = bad_pointer<char>();
        me.call("recv", [=] { return ::recv(e.a, nowhere, 4, MSG_TRUNC); });
        me.receive(receiver::recv, e.a, 10);
        me.call("recv", [=] { return ::recv(e.a, nowhere, 6, MSG_TRUNC | MSG_WAITALL); });
        me.receive(receiver::recv, e.a, 10);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        me.send(e.b, "0123456");
        me.until_drained(e.a);
        me.until_blocked("reader", 2);
        for (const char* bytes : {"abc", "defg"}) {
            me.send(e.b, bytes);
            me.until_drained(e.a);
        }
    });
}

void cut_by_a_stream(stage& s) {
    const ends e = s.open(channel::unix_stream);
    s.add("reader", [=](actor& me) {
        me.receive(receiver::recvmsg, e.a, 4, MSG_TRUNC);
        me.receive(receiver::recvmsg, e.a, 10, MSG_TRUNC | MSG_PEEK);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        me.send(e.b, "0123456");
    });
}

void looked_at_until_all_is_there(stage& s) {
    for (const channel c : {channel::tcp, channel::udp, channel::unix_datagram}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            for (const int flags : {MSG_PEEK | MSG_WAITALL, 0})
                me.receive(receiver::recvmsg, e.a, 6, flags);
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            me.send(e.b, "abc");
            if (c != channel::tcp) return;
            me.log(me.has_ended(name) ? "seen" : "not yet");
            me.send(e.b, "defg");
        });
    }
}

void more_to_come(stage& s) {
    for (const channel c : sockets) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        // A local socket takes no notice of the flag: its reader may come between the two.
        const int flags = c == channel::unix_stream ? MSG_WAITALL : 0;
        s.add(name, [=](actor& me) {
            me.receive(receiver::recv, e.a, 4, flags);
            me.log("done");
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            me.send(sender::send, e.b, "ab", MSG_MORE);
            me.send(sender::sendmsg, e.b, "cd", 0);
        });
    }
}

void without_a_signal(stage& s) {
    const int before = broken_pipes();
    for (const channel c : {channel::tcp, channel::unix_stream}) {
        const ends e = s.open(c);
        must("shutdown", ::shutdown(e.b, SHUT_WR));
        s.add(name_of(c), [=](actor& me) {
            for (const int flags : {int{MSG_NOSIGNAL}, MSG_NOSIGNAL | MSG_DONTWAIT, 0})
                for (const sender by : {sender::send, sender::sendto, sender::sendmsg})
                    me.send(by, e.b, "hello", flags);
        });
    }
    s.add("signals", [=](actor& me) {
        for (const channel c : {channel::tcp, channel::unix_stream}) me.until_ended(name_of(c));
        me.log(std::to_string(broken_pipes() - before));
    });
}

const named_scenario scenarios[] = {
    {"no_urgent_data", no_urgent_data},
    {"no_error_in_the_queue", no_error_in_the_queue},
    {"an_unknown_flag", an_unknown_flag},
    {"urgent_data", urgent_data},
    {"urgent_data_in_the_stream", urgent_data_in_the_stream},
    {"thrown_away", thrown_away},
    {"cut_by_a_stream", cut_by_a_stream},
    {"looked_at_until_all_is_there", looked_at_until_all_is_there},
    {"more_to_come", more_to_come},
    {"without_a_signal", without_a_signal},
};

class a_flag : public ::testing::TestWithParam<named_scenario> {};

TEST_P(a_flag, means_what_it_means_to_the_kernel) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, a_flag, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
