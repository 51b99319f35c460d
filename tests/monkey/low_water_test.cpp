// SO_RCVLOWAT: a receive that may wait is not content with less, compared with the kernel.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

bool stream(channel c, receiver) { return is_stream(c); }
bool stream_with_flags(channel c, receiver r) { return is_stream(c) && takes_flags(r); }
bool tcp(channel c, receiver) { return c == channel::tcp; }
bool datagram(channel c, receiver) { return is_datagram(c); }

void set_mark(int fd, int bytes) {
    must("SO_RCVLOWAT", ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes));
}

void write_all(int fd, std::string_view bytes) {
    must("write", ::write(fd, bytes.data(), bytes.size()));
}

// Has the reader time to return from what came too early?
void let_it_come(actor& me) {
    me.call("poll", [] { return ::poll(nullptr, 0, 20); });
}

// Comes as soon as the reader waits, and then the rest.
void add_writer(stage& s, ends e, std::string first, std::string second) {
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        write_all(e.b, first);
        let_it_come(me);
        me.log(me.still_waits("reader") ? "still waits" : "was content");
        write_all(e.b, second);
    });
}

void waits_for_the_mark(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 5);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 20);
        me.log_mode(e.a);
    });
    add_writer(s, e, "abc", "defghi");
}

void is_content_with_the_mark(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 5);
    write_all(e.b, "abcdefghijklmn");
    s.add("reader", [=](actor& me) {
        for (const std::size_t size : {6U, 6U}) me.receive(r, e.a, size);
    });
}

void takes_less_when_less_is_asked_for(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 100);
    write_all(e.b, "abcdef");
    s.add("reader", [=](actor& me) {
        for (const std::size_t size : {2U, 4U}) me.receive(r, e.a, size);
    });
}

void takes_what_there_is_at_the_end(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 50);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 100);
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("reader");
        write_all(e.b, "abc");
        let_it_come(me);
        me.log(me.still_waits("reader") ? "still waits" : "was content");
        me.close(e.b);
    });
}

void takes_what_there_is_after_the_timeout(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 50);
    set_timeout(e.a, SO_RCVTIMEO, 40'000);
    write_all(e.b, "abc");
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.takes_at_least(40ms, [&] { me.receive(r, e.a, 100); });
    });
}

void does_not_wait_when_non_blocking(stage& s, channel c, receiver r) {
    const ends e = s.open(c, SOCK_NONBLOCK);
    set_mark(e.a, 50);
    write_all(e.b, "abc");
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 100);
    });
}

void does_not_wait_when_told_so(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 50);
    write_all(e.b, "abc");
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 100, MSG_DONTWAIT);
    });
}

void looks_until_the_mark(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 5);
    s.add("reader", [=](actor& me) {
        for (const int flags : {int{MSG_PEEK}, 0}) me.receive(r, e.a, 20, flags);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        write_all(e.b, "abcdefghi");
    });
}

void waits_for_all_beyond_the_mark(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 3);
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 10, MSG_WAITALL); });
    add_writer(s, e, "abcd", "efghijkl");
}

void waits_for_one_when_the_mark_is_removed(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 50);
    set_mark(e.a, 0);
    write_all(e.b, "abc");
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 100);
        set_mark(e.a, 1);
        write_all(e.b, "de");
        me.receive(r, e.a, 100);
    });
}

void keeps_the_mark_under_another_name(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 5);
    const int copy = s.own(::dup(e.a));
    s.add("reader", [=](actor& me) { me.receive(r, copy, 20); });
    add_writer(s, e, "abc", "defghi");
}

void means_nothing_to_datagrams(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 50);
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 100); });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        write_all(e.b, "abc");
    });
}

// TCP's connections have the mark of their listener.
void is_handed_on_by_a_listener(stage& s, channel, receiver r) {
    const int listener = s.own(open_listener(AF_INET, 8));
    set_mark(listener, 5);
    const address at = address_of(listener);
    const int peer = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    must("connect", ::connect(peer, at.get(), at.length));
    s.add("reader", [=, &s](actor& me) {
        const int fd =
            s.own(me.make("accept", [=] { return ::accept(listener, nullptr, nullptr); }));
        me.receive(r, fd, 20);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader", 1);
        write_all(peer, "abc");
        let_it_come(me);
        me.log(me.still_waits("reader") ? "still waits" : "was content");
        write_all(peer, "defghi");
    });
}

// The rest comes byte by byte: what was taken before counts.
void counts_what_it_has_taken(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_mark(e.a, 6);
    write_all(e.b, "abcd");
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 20); });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        me.until_drained(e.a);
        write_all(e.b, "e");
        let_it_come(me);
        me.log(me.still_waits("reader") ? "still waits" : "was content");
        write_all(e.b, "fghijk");
    });
}

const oracle_case<receiver> cases[] = {
    {"waits_for_the_mark", stream, waits_for_the_mark},
    {"is_content_with_the_mark", stream, is_content_with_the_mark},
    {"takes_less_when_less_is_asked_for", stream, takes_less_when_less_is_asked_for},
    {"takes_what_there_is_at_the_end", stream, takes_what_there_is_at_the_end},
    {"takes_what_there_is_after_the_timeout", stream, takes_what_there_is_after_the_timeout},
    {"does_not_wait_when_non_blocking", stream, does_not_wait_when_non_blocking},
    {"does_not_wait_when_told_so", stream_with_flags, does_not_wait_when_told_so},
    {"looks_until_the_mark", stream_with_flags, looks_until_the_mark},
    {"waits_for_all_beyond_the_mark", stream_with_flags, waits_for_all_beyond_the_mark},
    {"waits_for_one_when_the_mark_is_removed", stream, waits_for_one_when_the_mark_is_removed},
    {"keeps_the_mark_under_another_name", stream, keeps_the_mark_under_another_name},
    {"means_nothing_to_datagrams", datagram, means_nothing_to_datagrams},
    {"is_handed_on_by_a_listener", tcp, is_handed_on_by_a_listener},
    {"counts_what_it_has_taken", stream, counts_what_it_has_taken},
};

class low_water : public ::testing::TestWithParam<oracle_param<receiver>> {};

TEST_P(low_water, is_what_the_kernel_waits_for) { compare(GetParam(), all_receivers); }

INSTANTIATE_TEST_SUITE_P(, low_water, all_params(cases, all_receivers), param_name<receiver>);

}  // namespace
