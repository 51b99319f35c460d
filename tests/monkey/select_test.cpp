// select and pselect, compared with the kernel.

#include <fcntl.h>
#include <sys/select.h>
#include <unistd.h>

#include <vector>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

// The sets of a call, and what they hold after it.
struct asked_of {
    std::vector<int> read = {};
    std::vector<int> write = {};
    std::vector<int> except = {};

    static fd_set set_of(const std::vector<int>& fds) {
        fd_set made;
        FD_ZERO(&made);
        for (const int fd : fds) FD_SET(fd, &made);
        return made;
    }
    [[nodiscard]] int limit() const {
        int highest = -1;
        for (const auto* each : {&read, &write, &except})
            for (const int fd : *each) highest = std::max(highest, fd);
        return highest + 1;
    }
};

void log_sets(actor& me, const asked_of& asked, const fd_set (&sets)[3]) {
    std::string seen = "seen";
    const std::vector<int>* const lists[] = {&asked.read, &asked.write, &asked.except};
    for (int i = 0; i != 3; ++i) {
        seen += " ";
        for (const int fd : *lists[i]) seen += FD_ISSET(fd, &sets[i]) ? '1' : '0';
    }
    me.log(seen);
}

// By both calls; microseconds below 0: for ever.
void select_once(actor& me, const asked_of& asked, long us, bool by_pselect = false) {
    fd_set sets[3] = {asked_of::set_of(asked.read), asked_of::set_of(asked.write),
                      asked_of::set_of(asked.except)};
    timeval time{us / 1'000'000, us % 1'000'000};
    const timespec precise{time.tv_sec, time.tv_usec * 1000};
    if (by_pselect)
        me.call("pselect", [&] {
            return ::pselect(asked.limit(), &sets[0], &sets[1], &sets[2],
                             us < 0 ? nullptr : &precise, nullptr);
        });
    else
        me.call("select", [&] {
            return ::select(asked.limit(), &sets[0], &sets[1], &sets[2], us < 0 ? nullptr : &time);
        });
    log_sets(me, asked, sets);
    if (!by_pselect && us >= 0) me.log(time.tv_sec == 0 && time.tv_usec == 0 ? "over" : "left");
}

void sees_what_is_ready(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::udp, channel::unix_datagram}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            for (const bool by_pselect : {false, true}) {
                select_once(me, {{e.a}, {e.b}, {e.a}}, -1, by_pselect);
                select_once(me, {{e.a, e.b}, {e.a, e.b}, {}}, 50'000'000, by_pselect);
                select_once(me, {{e.a}, {}, {}}, 0, by_pselect);
            }
            must("write", ::write(e.b, "x", 1));
            select_once(me, {{e.a, e.b}, {}, {}}, -1);
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
                select_once(me, {{quiet.a, e.a}, {}, {}}, i == 1 ? 60'000'000 : -1, i == 2);
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
        s.add(name, [=](actor& me) { select_once(me, {{e.a}, {}, {e.a}}, -1); });
        s.add(name + " peer", [=](actor& me) {
            me.until_blocked(name);
            if (c == channel::tcp) reset_on_close(e.b);
            me.close(e.b);
        });
    }
}

void sees_urgent_data(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) { select_once(me, {{}, {}, {e.a}}, -1); });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        me.send(sender::send, e.b, "!", MSG_OOB);
    });
}

void waits_for_room(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        const ends e = s.open(c);
        fill(e.b);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) { select_once(me, {{}, {e.b}, {}}, -1); });
        s.add(name + " reader", [=](actor& me) {
            me.until_blocked(name);
            char piece[8192];
            while (!me.has_ended(name)) {
                timeval soon{0, 10'000};
                fd_set readable = asked_of::set_of({e.a});
                if (::select(e.a + 1, &readable, nullptr, nullptr, &soon) == 1)
                    must("read", ::read(e.a, piece, sizeof piece));
            }
        });
    }
}

void gives_up_after_the_timeout(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        for (const bool by_pselect : {false, true}) {
            me.takes_at_least(20ms, [&] { select_once(me, {{e.a}, {}, {}}, 20'000, by_pselect); });
            me.takes_at_least(20ms, [&] { select_once(me, {}, 20'000, by_pselect); });
        }
        // More microseconds than a second has are taken as they are meant.
        me.takes_at_least(1100ms, [&] {
            timeval time{0, 1'100'000};
            me.call("select", [&] { return ::select(0, nullptr, nullptr, nullptr, &time); });
        });
    });
}

void knows_files_and_bad_descriptors(stage& s) {
    const int file = s.own(must("open", ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    const ends quiet = s.open(channel::pair);
    // Among the first numbers: beyond the largest table that the process had, none is looked at.
    constexpr int closed = 60;
    s.add("caller", [=](actor& me) {
        select_once(me, {{file, quiet.a}, {file}, {}}, -1);
        me.takes_at_least(20ms, [&] { select_once(me, {{quiet.a}, {}, {file}}, 20'000); });
        select_once(me, {{closed, quiet.a}, {}, {}}, -1);
        select_once(me, {{quiet.a}, {}, {closed}}, -1, true);
    });
}

void refuses_bad_arguments(stage& s) {
    const ends e = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        fd_set readable = asked_of::set_of({e.a});
        timeval time{-1, 0};
        const timespec precise{0, 1'000'000'000};
        me.call("select", [&] { return ::select(-1, &readable, nullptr, nullptr, nullptr); });
        me.call("select", [&] { return ::select(e.a + 1, &readable, nullptr, nullptr, &time); });
        me.call("pselect",
                [&] { return ::pselect(e.a + 1, &readable, nullptr, nullptr, &precise, nullptr); });
        me.call("select", [&] {
            return ::select(e.a + 1, bad_pointer<fd_set>(), nullptr, nullptr, nullptr);
        });
        me.call("pselect", [&] {
            return ::pselect(e.a + 1, &readable, nullptr, nullptr, nullptr,
                             bad_pointer<sigset_t>());
        });
    });
}

const named_scenario scenarios[] = {
    {"sees_what_is_ready", sees_what_is_ready},
    {"waits_until_one_is_readable", waits_until_one_is_readable},
    {"sees_the_peer_go", sees_the_peer_go},
    {"sees_urgent_data", sees_urgent_data},
    {"waits_for_room", waits_for_room},
    {"gives_up_after_the_timeout", gives_up_after_the_timeout},
    {"knows_files_and_bad_descriptors", knows_files_and_bad_descriptors},
    {"refuses_bad_arguments", refuses_bad_arguments},
};

class selecting : public ::testing::TestWithParam<named_scenario> {};

TEST_P(selecting, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, selecting, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
