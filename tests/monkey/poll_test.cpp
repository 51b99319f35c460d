// poll, compared with the kernel.

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vector>

#include "support/oracle_cases.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

void poll_once(actor& me, std::vector<pollfd> fds, int timeout_ms) {
    for (pollfd& each : fds) each.revents = 0x7000;
    me.call("poll", [&] { return ::poll(fds.data(), fds.size(), timeout_ms); });
    std::string seen = "seen";
    for (const pollfd& each : fds) seen += " " + std::to_string(each.revents);
    me.log(seen);
}

constexpr short both = POLLIN | POLLOUT;

void sees_what_is_ready(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::udp, channel::unix_datagram}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            poll_once(me, {{e.a, both, 0}, {e.b, POLLOUT, 0}, {e.a, POLLOUT | POLLPRI, 0}}, -1);
            must("write", ::write(e.b, "x", 1));
            poll_once(me, {{e.a, both, 0}, {e.a, POLLIN, 0}, {e.b, POLLIN, 0}}, -1);
            poll_once(me, {{e.a, 0, 0}}, 0);
        });
    }
}

void waits_until_one_is_readable(stage& s) {
    for (const channel c : all_channels) {
        const ends quiet = s.open(c);
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            for (int i = 0; i != 3; ++i) {
                poll_once(me, {{quiet.a, POLLIN, 0}, {e.a, POLLIN, 0}}, i == 1 ? 60'000 : -1);
                me.receive(receiver::read, e.a, 10);
            }
        });
        s.add(name + " writer", [=](actor& me) {
            for (int i = 0; i != 3; ++i) {
                me.until_blocked(name);
                must("write", ::write(e.b, "hello", 5));
                me.until_drained(e.a);
            }
        });
    }
}

void sees_the_peer_go(stage& s) {
    for (const channel c : {channel::tcp, channel::unix_stream, channel::pipe}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            poll_once(me, {{e.a, POLLIN | POLLRDHUP, 0}}, -1);
            poll_once(me, {{e.a, 0, 0}}, c == channel::tcp ? 0 : -1);
        });
        s.add(name + " peer", [=](actor& me) {
            me.until_blocked(name);
            me.close(e.b);
        });
    }
}

void sees_a_reset_that_was_not_asked_for(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) { poll_once(me, {{e.a, 0, 0}}, -1); });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        reset_on_close(e.b);
        me.close(e.b);
    });
}

void sees_the_reader_of_a_pipe_go(stage& s) {
    const ends e = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        poll_once(me, {{e.b, 0, 0}}, -1);
        poll_once(me, {{e.b, POLLOUT, 0}}, -1);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("caller");
        me.close(e.a);
    });
}

void sees_a_connection_come(stage& s) {
    const int listener = s.own(open_listener(AF_INET, 8));
    const int peer = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    s.add("caller", [=](actor& me) {
        poll_once(me, {{listener, POLLIN, 0}}, -1);
        me.close(me.make("accept", [=] { return ::accept(listener, nullptr, nullptr); }));
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        const address at = address_of(listener);
        me.call("connect", [&] { return ::connect(peer, at.get(), at.length); });
    });
}

void sees_urgent_data(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        poll_once(me, {{e.a, POLLPRI, 0}}, -1);
        me.receive(receiver::recv, e.a, 10, MSG_OOB);
        me.receive(receiver::recv, e.a, 10);
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        me.send(sender::send, e.b, "abc!", MSG_OOB);
    });
}

void gives_up_after_the_timeout(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        me.takes_at_least(20ms, [&] { poll_once(me, {{e.a, POLLIN, 0}}, 20); });
        me.takes_at_least(20ms, [&] { poll_once(me, {}, 20); });
        me.takes_at_least(20ms, [&] { poll_once(me, {{-1, POLLIN, 0}}, 20); });
        poll_once(me, {{e.a, POLLIN, 0}}, 0);
        poll_once(me, {}, 0);
    });
}

void knows_what_can_never_wait(stage& s) {
    const int file = s.own(must("open", ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    const ends quiet = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        poll_once(me, {{file, both, 0}, {quiet.a, POLLIN, 0}}, -1);
        me.takes_at_least(20ms, [&] { poll_once(me, {{file, 0, 0}, {quiet.a, POLLIN, 0}}, 20); });
    });
}

void knows_bad_descriptors(stage& s) {
    const ends e = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        poll_once(me, {{900, POLLIN, 0}, {e.a, POLLIN, 0}}, -1);
        poll_once(me, {{1 << 30, POLLIN, 0}}, -1);
        poll_once(me, {{-5, POLLIN, 0}, {e.a, POLLOUT, 0}}, -1);
        auto* const bad = bad_pointer<pollfd>();
        me.call("poll", [=] { return ::poll(bad, 1, -1); });
    });
}

void waits_for_an_eventfd(stage& s) {
    const int event = s.own(must("eventfd", ::eventfd(0, EFD_CLOEXEC)));
    s.add("caller", [=](actor& me) {
        poll_once(me, {{event, POLLIN, 0}}, -1);
        me.receive(receiver::read, event, 8);
    });
    s.add("other", [=](actor& me) {
        me.until_blocked("caller");
        const std::uint64_t value = 0x4142434445464748;
        me.call("write", [&] { return ::write(event, &value, sizeof value); });
    });
}

void two_may_wait_for_one(stage& s) {
    const ends e = s.open(channel::tcp);
    for (const char* name : {"first", "second"})
        s.add(name, [=](actor& me) { poll_once(me, {{e.a, POLLIN, 0}}, -1); });
    s.add("writer", [=](actor& me) {
        for (const char* name : {"first", "second"}) me.until_blocked(name);
        me.send(e.b, "hello");
    });
}

// Full until the reader has taken it all.
void waits_for_room(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        const ends e = s.open(c);
        fill(e.b);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            poll_once(me, {{e.b, POLLOUT, 0}, {e.a, 0, 0}}, -1);
            me.send(sender::write, e.b, "x");
        });
        s.add(name + " reader", [=](actor& me) {
            me.until_blocked(name);
            char piece[8192];
            while (!me.has_ended(name)) {
                pollfd readable{e.a, POLLIN, 0};
                if (::poll(&readable, 1, 10) == 1) must("read", ::read(e.a, piece, sizeof piece));
            }
        });
    }
}

// The kernel looks at 32 bits of the number.
void takes_the_count_as_it_comes(stage& s) {
    const ends e = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        pollfd one{e.a, POLLOUT, 0};
        const auto of = [&](pollfd* fds, nfds_t count) {
            me.call("poll", [&] { return ::poll(hidden(fds), count, 10); });
        };
        constexpr nfds_t large = nfds_t{1} << 40;
        for (const nfds_t count : {large, large + 1, nfds_t{1} << 31, ~nfds_t{0}}) of(&one, count);
        of(nullptr, 0);
        of(nullptr, 1);
        of(nullptr, large);
    });
}

void passes_over_negative_numbers(stage& s) {
    const ends e = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        poll_once(me, {{-1, both, 0}, {-7, both, 0}, {e.a, POLLIN, 0}, {INT_MIN, both, 0}}, -1);
        me.takes_at_least(20ms, [&] { poll_once(me, {{-1, both, 0}, {INT_MIN, both, 0}}, 20); });
        poll_once(me, {{-1, both, 0}}, 0);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("caller");
        must("write", ::write(e.b, "x", 1));
    });
}

const named_scenario scenarios[] = {
    {"sees_what_is_ready", sees_what_is_ready},
    {"waits_until_one_is_readable", waits_until_one_is_readable},
    {"sees_the_peer_go", sees_the_peer_go},
    {"sees_a_reset_that_was_not_asked_for", sees_a_reset_that_was_not_asked_for},
    {"sees_the_reader_of_a_pipe_go", sees_the_reader_of_a_pipe_go},
    {"sees_a_connection_come", sees_a_connection_come},
    {"sees_urgent_data", sees_urgent_data},
    {"gives_up_after_the_timeout", gives_up_after_the_timeout},
    {"knows_what_can_never_wait", knows_what_can_never_wait},
    {"knows_bad_descriptors", knows_bad_descriptors},
    {"waits_for_an_eventfd", waits_for_an_eventfd},
    {"two_may_wait_for_one", two_may_wait_for_one},
    {"waits_for_room", waits_for_room},
    {"takes_the_count_as_it_comes", takes_the_count_as_it_comes},
    {"passes_over_negative_numbers", passes_over_negative_numbers},
};

class polling : public ::testing::TestWithParam<named_scenario> {};

TEST_P(polling, is_what_the_kernel_does) {
    if (ramie::test::address_sanitizer && GetParam().prepare == &takes_the_count_as_it_comes)
        GTEST_SKIP() << "AddressSanitizer looks at so many";
    expect_same_as_kernel(GetParam().prepare);
}

INSTANTIATE_TEST_SUITE_P(, polling, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
