// Every receiving call over every channel, compared with the kernel.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;

// --- which channels and calls ----------------------------------------------------------------

bool any(channel c, receiver r) { return is_socket(c) || r <= receiver::readv; }
bool stream(channel c, receiver r) { return is_stream(c) || (c == channel::pipe && any(c, r)); }
bool with_flags(channel c, receiver r) { return is_socket(c) && takes_flags(r); }
bool datagram(channel c, receiver) { return is_datagram(c); }
bool datagram_with_flags(channel c, receiver r) { return is_datagram(c) && takes_flags(r); }
bool socket_of_any_kind(channel c, receiver) { return is_socket(c); }
bool stream_socket(channel c, receiver) { return is_stream(c); }
bool tcp(channel c, receiver) { return c == channel::tcp; }
bool udp(channel c, receiver) { return c == channel::udp; }

// --- what is sent to a receiver --------------------------------------------------------------

void write_all(int fd, std::string_view bytes) {
    must("write", ::write(fd, bytes.data(), bytes.size()));
}

// The peer sends `bytes` once the reader waits.
void add_writer(stage& s, ends e, std::string bytes = "hello") {
    s.add("writer", [e, bytes](actor& me) {
        me.until_blocked("reader");
        write_all(e.b, bytes);
    });
}

void takes_what_is_there(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    write_all(e.b, "hello");
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 10);
        me.log_mode(e.a);
    });
}

void waits_for_data(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 10);
        me.log_mode(e.a);
    });
    add_writer(s, e);
}

void waits_again_after_a_short_and_a_full_read(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 5; ++i) me.receive(r, e.a, 4);
    });
    s.add("writer", [=](actor& me) {
        for (const char* bytes : {"abc", "defg", "hij", "klmno"}) {
            me.until_blocked("reader");
            write_all(e.b, bytes);
            me.until_drained(e.a);
        }
        if (is_datagram(c)) write_all(e.b, "!");
    });
}

void leaves_what_was_not_asked_for(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    write_all(e.b, "0123456789");
    s.add("reader", [=](actor& me) {
        for (const std::size_t size : {3U, 2U, 5U}) me.receive(r, e.a, size);
    });
}

// --- modes -----------------------------------------------------------------------------------

void read_without_waiting(stage& s, ends e, receiver r, int flags = 0) {
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 10, flags);
        write_all(e.b, "hello");
        me.receive(r, e.a, 10, flags);
        me.receive(r, e.a, 10, flags);
        me.log_mode(e.a);
    });
}

void does_not_wait_after_fcntl(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    must("fcntl", ::fcntl(e.a, F_SETFL, ::fcntl(e.a, F_GETFL) | O_NONBLOCK));
    read_without_waiting(s, e, r);
}

void does_not_wait_after_fionbio(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    int on = 1;
    must("ioctl", ::ioctl(e.a, FIONBIO, &on));
    read_without_waiting(s, e, r);
}

void does_not_wait_when_made_so(stage& s, channel c, receiver r) {
    read_without_waiting(s, s.open(c, SOCK_NONBLOCK), r);
}

void does_not_wait_when_told_so(stage& s, channel c, receiver r) {
    read_without_waiting(s, s.open(c), r, MSG_DONTWAIT);
}

void waits_when_set_to_blocking_again(stage& s, channel c, receiver r) {
    const ends e = s.open(c, SOCK_NONBLOCK);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 10);
        must("fcntl", ::fcntl(e.a, F_SETFL, ::fcntl(e.a, F_GETFL) & ~O_NONBLOCK));
        me.receive(r, e.a, 10);
        me.log_mode(e.a);
    });
    add_writer(s, e);
}

void waits_on_a_duplicate(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    const int copies[] = {s.own(::dup(e.a)), s.own(::fcntl(e.a, F_DUPFD, 50)),
                          s.own(::fcntl(e.a, F_DUPFD_CLOEXEC, 60))};
    s.add("reader", [=](actor& me) {
        for (const int copy : copies) me.receive(r, copy, 10);
        // The mode belongs to all of them.
        must("fcntl", ::fcntl(copies[0], F_SETFL, O_NONBLOCK));
        me.receive(r, e.a, 10);
        me.receive(r, copies[2], 10);
    });
    s.add("writer", [=](actor& me) {
        for (const char* bytes : {"one", "two", "three"}) {
            me.until_blocked("reader");
            write_all(e.b, bytes);
        }
    });
}

// --- ends ------------------------------------------------------------------------------------

void tells_the_end_after_the_data(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    write_all(e.b, "last");
    must("close", ::close(e.b));
    s.disown(e.b);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 3; ++i) me.receive(r, e.a, 10);
    });
}

void is_woken_by_the_end(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 10);
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("reader");
        me.close(e.b);
    });
}

void is_woken_by_the_peers_half_close(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 10);
        me.send(e.a, "still open");
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("reader");
        me.call("shutdown", [=] { return ::shutdown(e.b, SHUT_WR); });
        me.receive(receiver::recv, e.b, 20);
    });
}

void is_woken_by_a_reset(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    reset_on_close(e.b);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 10);
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("reader");
        me.close(e.b);
    });
}

void tells_a_reset(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    reset_on_close(e.b);
    must("close", ::close(e.b));
    s.disown(e.b);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 10);
    });
}

void is_woken_by_a_local_shutdown(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 10); });
    s.add("other", [=](actor& me) {
        me.until_blocked("reader");
        me.call("shutdown", [=] { return ::shutdown(e.a, SHUT_RD); });
    });
}

void gets_what_is_left_after_a_local_shutdown(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    write_all(e.b, "left");
    s.add("reader", [=](actor& me) {
        me.call("shutdown", [=] { return ::shutdown(e.a, SHUT_RD); });
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 10, takes_flags(r) ? MSG_DONTWAIT : 0);
    });
}

void gives_up_after_the_timeout(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    set_timeout(e.a, SO_RCVTIMEO, 40'000);
    s.add("reader", [=](actor& me) {
        using namespace std::chrono_literals;
        me.takes_at_least(40ms, [&] { me.receive(r, e.a, 10); });
        me.log_mode(e.a);
        write_all(e.b, "late");
        me.receive(r, e.a, 10);
    });
}

void waits_for_ever_after_the_timeout_was_removed(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        set_timeout(e.a, SO_RCVTIMEO, 10'000);
        me.receive(r, e.a, 10);
        set_timeout(e.a, SO_RCVTIMEO, 0);
        me.receive(r, e.a, 10);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader", 1);
        write_all(e.b, "hello");
    });
}

// --- sizes and pointers ----------------------------------------------------------------------

void of_nothing_with_data_there(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    write_all(e.b, "hello");
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 0);
        if (!is_datagram(c)) me.receive(r, e.a, 10);
    });
}

void of_nothing_by_read_does_not_wait(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 0); });
}

void of_an_empty_datagram(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        me.receive(r, e.a, 10);
        me.receive(r, e.a, 10);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("send", ::send(e.b, "", 0, 0));
        must("send", ::send(e.b, "x", 1, 0));
    });
}

void cuts_a_datagram(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        for (int i = 0; i != 2; ++i) me.receive(r, e.a, 4);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        write_all(e.b, "0123456789");
        write_all(e.b, "abc");
    });
}

void tells_a_datagrams_whole_length(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 4, MSG_TRUNC); });
    add_writer(s, e, "0123456789");
}

void tells_of_an_unreachable_peer(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) { me.receive(r, e.a, 10); });
    s.add("other", [=](actor& me) {
        me.until_blocked("reader");
        me.close(e.b);
        me.send(e.a, "to nobody");
    });
}

// --- peeking and waiting for all -------------------------------------------------------------

void looks_without_taking(stage& s, channel c, receiver r) {
    const ends e = s.open(c);
    s.add("reader", [=](actor& me) {
        for (const int flags : {int{MSG_PEEK}, int{MSG_PEEK}, 0}) me.receive(r, e.a, 3, flags);
        me.receive(r, e.a, 3, MSG_DONTWAIT);
    });
    add_writer(s, e, "abc");
}

const oracle_case<receiver> cases[] = {
    {"takes_what_is_there", any, takes_what_is_there},
    {"waits_for_data", any, waits_for_data},
    {"waits_again_after_a_short_and_a_full_read", any, waits_again_after_a_short_and_a_full_read},
    {"leaves_what_was_not_asked_for", stream, leaves_what_was_not_asked_for},
    {"does_not_wait_after_fcntl", any, does_not_wait_after_fcntl},
    {"does_not_wait_after_fionbio", any, does_not_wait_after_fionbio},
    {"does_not_wait_when_made_so", any, does_not_wait_when_made_so},
    {"does_not_wait_when_told_so", with_flags, does_not_wait_when_told_so},
    {"waits_when_set_to_blocking_again", any, waits_when_set_to_blocking_again},
    {"waits_on_a_duplicate", any, waits_on_a_duplicate},
    {"tells_the_end_after_the_data", stream, tells_the_end_after_the_data},
    {"is_woken_by_the_end", stream, is_woken_by_the_end},
    {"is_woken_by_the_peers_half_close", stream_socket, is_woken_by_the_peers_half_close},
    {"is_woken_by_a_reset", tcp, is_woken_by_a_reset},
    {"tells_a_reset", tcp, tells_a_reset},
    {"is_woken_by_a_local_shutdown", socket_of_any_kind, is_woken_by_a_local_shutdown},
    {"gets_what_is_left_after_a_local_shutdown", stream_socket,
     gets_what_is_left_after_a_local_shutdown},
    {"gives_up_after_the_timeout", socket_of_any_kind, gives_up_after_the_timeout},
    {"waits_for_ever_after_the_timeout_was_removed", socket_of_any_kind,
     waits_for_ever_after_the_timeout_was_removed},
    {"of_nothing_with_data_there", any, of_nothing_with_data_there},
    {"of_nothing_by_read_does_not_wait",
     [](channel c, receiver r) { return any(c, r) && r <= receiver::readv; },
     of_nothing_by_read_does_not_wait},
    {"of_an_empty_datagram", datagram, of_an_empty_datagram},
    {"cuts_a_datagram", datagram, cuts_a_datagram},
    {"tells_a_datagrams_whole_length", datagram_with_flags, tells_a_datagrams_whole_length},
    {"tells_of_an_unreachable_peer", udp, tells_of_an_unreachable_peer},
    {"looks_without_taking", with_flags, looks_without_taking},
};

class receiving : public ::testing::TestWithParam<oracle_param<receiver>> {};

TEST_P(receiving, is_what_the_kernel_does) { compare(GetParam(), all_receivers); }

INSTANTIATE_TEST_SUITE_P(, receiving, all_params(cases, all_receivers), param_name<receiver>);

}  // namespace
