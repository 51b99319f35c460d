// MSG_WAITALL and MSG_PEEK on streams, compared with the kernel.

#include <sys/uio.h>
#include <unistd.h>

#include <vector>

#include "support/oracle_cases.hpp"
#include "support/passing.hpp"

namespace {

using namespace ramie::test;

bool stream(channel c, receiver r) { return is_stream(c) && takes_flags(r); }
bool local_message(channel c, receiver r) {
    return is_stream(c) && c != channel::tcp && r == receiver::recvmsg;
}

// Each piece goes out when the reader waits for it.
void add_writer(stage& s, ends e, std::vector<std::string_view> pieces) {
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        for (const std::string_view piece : pieces) {
            must("write", ::write(e.b, piece.data(), piece.size()));
            me.until_drained(e.a);
        }
    });
}

void takes_all_of_several_pieces(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 9, MSG_WAITALL); });
    add_writer(s, e, {"abc", "d", "efghi"});
}

void leaves_what_is_more(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 4, MSG_WAITALL);
        me.receive(r, e.a, 4, MSG_WAITALL);
    });
    add_writer(s, e, {"abc", "defgh"});
}

void is_short_at_the_end(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 9, MSG_WAITALL);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("write", ::write(e.b, "abc", 3));
        me.until_drained(e.a);
        me.close(e.b);
    });
}

void is_short_at_a_local_shutdown(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 9, MSG_WAITALL);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("write", ::write(e.b, "abc", 3));
        me.until_drained(e.a);
        me.call("shutdown", [=] { return ::shutdown(e.a, SHUT_RD); });
    });
}

// The error belongs to the next call.
void is_short_at_a_reset(stage& s, channel, receiver r) {
    const ends e = s.open(channel::tcp);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 3; ++i) me.receive(r, e.a, 9, MSG_WAITALL);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("write", ::write(e.b, "abc", 3));
        me.until_drained(e.a);
        reset_on_close(e.b);
        me.close(e.b);
    });
}

void is_short_after_the_timeout(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_timeout(e.a, SO_RCVTIMEO, 30'000);
    must("write", ::write(e.b, "abc", 3));
    s.add("reader", [=](actor& me) {
        using namespace std::chrono_literals;
        me.takes_at_least(30ms, [&] { me.receive(r, e.a, 9, MSG_WAITALL); });
        me.receive(r, e.a, 9, MSG_WAITALL);
    });
}

void is_short_when_it_may_not_wait(stage& s, channel c, receiver r) {
    const ends e = s.open(c, SOCK_NONBLOCK);
    must("write", ::write(e.b, "abc", 3));
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 9, MSG_WAITALL);
    });
}

void of_nothing_takes_nothing(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 0, MSG_WAITALL);
        me.receive(r, e.a, 3, MSG_WAITALL);
    });
    s.add("writer", [=](actor& me) {
        if (c == channel::tcp) me.until_blocked("reader");
        must("write", ::write(e.b, "abc", 3));
    });
}

void fills_many_parts(stage& s, channel c, receiver) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        std::string bytes(300, '.');
        std::vector<iovec> parts;
        for (std::size_t i = 0; i != 100; ++i) parts.push_back({&bytes[3 * i], 3});
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        for (int i = 0; i != 2; ++i) {
            me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, MSG_WAITALL); });
            me.log(bytes + (message.msg_iov == parts.data() ? "" : " and a changed message"));
        }
    });
    s.add("writer", [=](actor& me) {
        for (const char fill : {'x', 'y'}) {
            me.until_blocked("reader");
            const std::string all(300, fill);
            must("write", ::write(e.b, all.data(), 100));
            me.until_drained(e.a);
            must("write", ::write(e.b, all.data(), 200));
        }
    });
}

// A descriptor comes with its own byte, and ends the call that takes it.
void brings_the_descriptor_of_a_later_piece(stage& s, channel c, receiver) {
    const ends e = s.open(c);
    const auto receive = [=](actor& me) {
        char bytes[9] = {};
        passing_message m(bytes, 8);
        me.call("recvmsg", [&] { return ::recvmsg(e.a, &m.message, MSG_WAITALL); });
        me.log(bytes);
        me.log(m.taken() < 0 ? "no descriptor" : "a descriptor");
        if (m.taken() >= 0) ::close(m.taken());
    };
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 3; ++i) receive(me);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("write", ::write(e.b, "ab", 2));
        me.until_drained(e.a);
        send_descriptor(e.b, "c", e.b);
        me.until_blocked("reader");
        send_descriptor(e.b, "d", e.b);
        me.until_blocked("reader");
        must("write", ::write(e.b, "efghijklm", 9));
    });
}

// --- with MSG_PEEK ---------------------------------------------------------------------------

constexpr int look = MSG_PEEK | MSG_WAITALL;

void looks_at_what_is_there(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    must("write", ::write(e.b, "abcd", 4));
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 3, look);
        me.receive(r, e.a, 9, MSG_DONTWAIT);
    });
}

void looks_when_the_first_has_come(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 6, look);
        me.receive(r, e.a, 6, MSG_WAITALL);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("write", ::write(e.b, "abc", 3));
        // A local socket shows what there is.
        if (c != channel::tcp) me.until_blocked("reader");
        must("write", ::write(e.b, "def", 3));
    });
}

void looks_until_the_timeout(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_timeout(e.a, SO_RCVTIMEO, 30'000);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 9, look);
        must("write", ::write(e.b, "abc", 3));
        me.receive(r, e.a, 9, look);
    });
}

void looks_until_the_end(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    must("write", ::write(e.b, "abc", 3));
    must("shutdown", ::shutdown(e.b, SHUT_WR));
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 9, look);
        me.receive(r, e.a, 9, MSG_WAITALL);
    });
}

const oracle_case<receiver> cases[] = {
    {"takes_all_of_several_pieces", stream, takes_all_of_several_pieces},
    {"leaves_what_is_more", stream, leaves_what_is_more},
    {"is_short_at_the_end", stream, is_short_at_the_end},
    {"is_short_at_a_local_shutdown", stream, is_short_at_a_local_shutdown},
    {"is_short_at_a_reset",
     [](channel c, receiver r) { return c == channel::tcp && takes_flags(r); },
     is_short_at_a_reset},
    {"is_short_after_the_timeout", stream, is_short_after_the_timeout},
    {"is_short_when_it_may_not_wait", stream, is_short_when_it_may_not_wait},
    {"of_nothing_takes_nothing", stream, of_nothing_takes_nothing},
    {"fills_many_parts",
     [](channel c, receiver r) { return stream(c, r) && r == receiver::recvmsg; },
     fills_many_parts},
    {"brings_the_descriptor_of_a_later_piece", local_message,
     brings_the_descriptor_of_a_later_piece},
    {"looks_at_what_is_there", stream, looks_at_what_is_there},
    {"looks_when_the_first_has_come", stream, looks_when_the_first_has_come},
    {"looks_until_the_timeout", stream, looks_until_the_timeout},
    {"looks_until_the_end", stream, looks_until_the_end},
};

class waiting_for_all : public ::testing::TestWithParam<oracle_param<receiver>> {};

TEST_P(waiting_for_all, is_what_the_kernel_does) { compare(GetParam(), all_receivers); }

INSTANTIATE_TEST_SUITE_P(, waiting_for_all, all_params(cases, all_receivers), param_name<receiver>);

}  // namespace
