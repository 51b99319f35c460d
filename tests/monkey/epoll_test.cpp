// A program's own epoll sets, compared with the kernel.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "ramie/event.hpp"
#include "support/oracle_cases.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

int new_set(stage& s) { return s.own(must("epoll_create1", ::epoll_create1(EPOLL_CLOEXEC))); }

void add_to(int set, int fd, std::uint32_t events, int operation = EPOLL_CTL_ADD) {
    epoll_event event{};
    event.events = events;
    event.data.u32 = 1;
    must("epoll_ctl", ::epoll_ctl(set, operation, fd, &event));
}

enum class waiter { wait, pwait, pwait2 };
constexpr waiter all_waiters[] = {waiter::wait, waiter::pwait, waiter::pwait2};

// Logs how many events there were, and which.
int wait_once(actor& me, int set, int timeout_ms, waiter by = waiter::wait) {
    std::vector<epoll_event> events(8);
    const timespec time{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
    const timespec* const limit = timeout_ms < 0 ? nullptr : &time;
    const long n = me.call("epoll_wait", [&]() -> long {
        switch (by) {
            case waiter::wait:
                return ::epoll_wait(set, events.data(), 8, timeout_ms);
            case waiter::pwait:
                return ::epoll_pwait(set, events.data(), 8, timeout_ms, nullptr);
            case waiter::pwait2:
                return ::epoll_pwait2(set, events.data(), 8, limit, nullptr);
        }
        return -1;
    });
    std::string seen = "seen";
    for (long i = 0; i < n; ++i)
        seen += " " + std::to_string(events[static_cast<std::size_t>(i)].events);
    me.log(seen);
    return static_cast<int>(n);
}

void waits_until_one_is_readable(stage& s) {
    for (const channel c : all_channels) {
        const ends e = s.open(c);
        const int set = new_set(s);
        add_to(set, e.a, EPOLLIN);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            for (const waiter by : all_waiters) {
                wait_once(me, set, by == waiter::pwait ? 60'000 : -1, by);
                wait_once(me, set, 0, by);
                me.receive(receiver::read, e.a, 10);
                wait_once(me, set, 0, by);
            }
        });
        s.add(name + " writer", [=](actor& me) {
            for (std::size_t i = 0; i != std::size(all_waiters); ++i) {
                me.until_blocked(name);
                must("write", ::write(e.b, "hello", 5));
                me.until_drained(e.a);
            }
        });
    }
}

// Told once for each arrival, whatever is left unread.
void tells_of_an_edge_once(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        const ends e = s.open(c);
        const int set = new_set(s);
        add_to(set, e.a, EPOLLIN | EPOLLET);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            for (int i = 0; i != 3; ++i) {
                wait_once(me, set, -1);
                wait_once(me, set, 0);
                me.takes_at_least(10ms, [&] { wait_once(me, set, 10); });
                me.receive(receiver::read, e.a, 1);
            }
        });
        s.add(name + " writer", [=](actor& me) {
            for (int i = 0; i != 3; ++i) {
                me.until_blocked(name, 4 * i);
                must("write", ::write(e.b, "hello", 5));
            }
        });
    }
}

void tells_once_until_it_is_armed_again(stage& s) {
    const ends e = s.open(channel::tcp);
    const int set = new_set(s);
    add_to(set, e.a, EPOLLIN | EPOLLONESHOT);
    s.add("caller", [=](actor& me) {
        wait_once(me, set, -1);
        me.takes_at_least(10ms, [&] { wait_once(me, set, 10); });
        add_to(set, e.a, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_MOD);
        wait_once(me, set, -1);
    });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        me.send(e.b, "hello");
    });
}

void exclusive_ones_tell_too(stage& s) {
    const ends e = s.open(channel::pair);
    const int set = new_set(s);
    add_to(set, e.a, EPOLLIN | EPOLLEXCLUSIVE);
    s.add("caller", [=](actor& me) { wait_once(me, set, -1); });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        me.send(e.b, "hello");
    });
}

// As deep as the kernel allows, where the set cannot be in the scheduler's own one too.
void sets_may_be_in_sets(stage& s) {
    for (const int depth : {1, 2, 3, 4}) {
        const ends e = s.open(channel::tcp);
        int set = new_set(s);
        add_to(set, e.a, EPOLLIN);
        for (int i = 0; i != depth; ++i) {
            const int outer = new_set(s);
            add_to(outer, set, EPOLLIN);
            set = outer;
        }
        const std::string name = "at depth " + std::to_string(depth);
        s.add(name, [=](actor& me) { wait_once(me, set, -1); });
        s.add(name + " peer", [=](actor& me) {
            me.until_blocked(name);
            me.send(e.b, "hello");
        });
    }
}

void sees_what_is_added_meanwhile(stage& s) {
    const ends e = s.open(channel::tcp);
    const int set = new_set(s);
    must("write", ::write(e.b, "hello", 5));
    s.add("caller", [=](actor& me) { wait_once(me, set, -1); });
    s.add("other", [=](actor& me) {
        me.until_blocked("caller");
        add_to(set, e.a, EPOLLIN | EPOLLOUT);
    });
}

void sees_the_peer_go(stage& s) {
    const ends e = s.open(channel::tcp);
    const int set = new_set(s);
    add_to(set, e.a, EPOLLRDHUP);
    s.add("caller", [=](actor& me) { wait_once(me, set, -1); });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        me.close(e.b);
    });
}

void sees_a_reset(stage& s) {
    const ends e = s.open(channel::tcp);
    const int set = new_set(s);
    add_to(set, e.a, 0);
    s.add("caller", [=](actor& me) { wait_once(me, set, -1); });
    s.add("peer", [=](actor& me) {
        me.until_blocked("caller");
        reset_on_close(e.b);
        me.close(e.b);
    });
}

void gives_up_after_the_timeout(stage& s) {
    const int set = new_set(s);
    s.add("caller", [=](actor& me) {
        for (const waiter by : all_waiters) {
            me.takes_at_least(20ms, [&] { wait_once(me, set, 20, by); });
            wait_once(me, set, 0, by);
        }
    });
}

void refuses_bad_arguments(stage& s) {
    const int set = new_set(s);
    const ends e = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        epoll_event event{};
        const timespec bad_time{-1, 0};
        me.call("epoll_wait", [&] { return ::epoll_wait(set, &event, 0, -1); });
        me.call("epoll_wait", [&] { return ::epoll_wait(set, &event, hidden(-1), -1); });
        me.call("epoll_wait", [&] { return ::epoll_wait(e.a, &event, 1, -1); });
        me.call("epoll_wait", [&] { return ::epoll_wait(900, &event, 1, -1); });
        me.call("epoll_wait", [&] { return ::epoll_wait(-1, &event, 1, -1); });
        me.call("epoll_pwait2", [&] { return ::epoll_pwait2(set, &event, 1, &bad_time, nullptr); });
        me.call("epoll_pwait2",
                [&] { return ::epoll_pwait2(set, &event, 1, bad_pointer<timespec>(), nullptr); });
        me.call("epoll_pwait",
                [&] { return ::epoll_pwait(set, &event, 1, -1, bad_pointer<sigset_t>()); });
        me.call("epoll_create", [] { return ::epoll_create(0); });
        me.call("epoll_create1", [] { return ::epoll_create1(-1); });
        add_to(set, e.a, EPOLLOUT);
        me.call("epoll_wait", [&] { return ::epoll_wait(set, bad_pointer<epoll_event>(), 1, -1); });
        me.close(me.make("epoll_create", [] { return ::epoll_create(1); }));
    });
}

const named_scenario scenarios[] = {
    {"waits_until_one_is_readable", waits_until_one_is_readable},
    {"tells_of_an_edge_once", tells_of_an_edge_once},
    {"tells_once_until_it_is_armed_again", tells_once_until_it_is_armed_again},
    {"exclusive_ones_tell_too", exclusive_ones_tell_too},
    {"sets_may_be_in_sets", sets_may_be_in_sets},
    {"sees_what_is_added_meanwhile", sees_what_is_added_meanwhile},
    {"sees_the_peer_go", sees_the_peer_go},
    {"sees_a_reset", sees_a_reset},
    {"gives_up_after_the_timeout", gives_up_after_the_timeout},
    {"refuses_bad_arguments", refuses_bad_arguments},
};

class an_epoll_set : public ::testing::TestWithParam<named_scenario> {};

TEST_P(an_epoll_set, is_what_the_kernel_makes_it) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, an_epoll_set, ::testing::ValuesIn(scenarios), scenario_name);

// --- on fibers -------------------------------------------------------------------------------

using epoll_on_fibers = patched_test;

TEST_F(epoll_on_fibers, a_closed_set_ends_the_wait) {
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    const auto f = ramie::spawn([&] {
        epoll_event event;
        EXPECT_EQ(::epoll_wait(set, &event, 1, -1), -1);
        return errno;
    });
    let_others_run();
    EXPECT_FALSE(f.ready());
    ::close(set);
    EXPECT_EQ(f.get(), EBADF);
}

// An event loop of thousands of descriptors is one fiber, beside others that use the same ends.
TEST_F(epoll_on_fibers, five_thousand_descriptors_are_one_fibers) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    const std::size_t pairs = std::min<std::size_t>(5'000, limit.rlim_cur / 2 - 100);
    std::vector<ends> all;
    for (std::size_t i = 0; i != pairs; ++i) all.push_back(open_channel(channel::pair));
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    for (std::size_t i = 0; i != pairs; ++i) {
        epoll_event event{};
        event.events = EPOLLIN | (i % 2 == 0 ? static_cast<std::uint32_t>(EPOLLET) : 0U);
        event.data.fd = all[i].a;
        ASSERT_EQ(::epoll_ctl(set, EPOLL_CTL_ADD, all[i].a, &event), 0);
    }
    const auto echo = ramie::spawn([&] {
        std::size_t echoed = 0;
        epoll_event events[64];
        while (echoed != pairs) {
            const int n = ::epoll_wait(set, events, 64, -1);
            for (int i = 0; i < n; ++i) {
                char byte;
                EXPECT_EQ(::read(events[i].data.fd, &byte, 1), 1);
                EXPECT_EQ(::write(events[i].data.fd, &byte, 1), 1);
                ++echoed;
            }
        }
    });
    for (std::size_t i = 0; i != pairs; ++i) {
        ASSERT_EQ(::write(all[i].b, "x", 1), 1);
        char byte = 0;
        ASSERT_EQ(::read(all[i].b, &byte, 1), 1);  // parks until the other fiber has echoed it
        ASSERT_EQ(byte, 'x');
    }
    echo.get();
    ::close(set);
    for (const ends& e : all)
        for (const int fd : {e.a, e.b}) ::close(fd);
}

TEST_F(epoll_on_fibers, many_fibers_may_wait_for_one_set) {
    const ends e = open_channel(channel::pair);
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    add_to(set, e.a, EPOLLIN | EPOLLET);
    int taken = 0;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 3; ++i)
        fibers.push_back(ramie::spawn([&] {
            epoll_event event;
            EXPECT_EQ(::epoll_wait(set, &event, 1, -1), 1);
            ++taken;
        }));
    for (int i = 1; i <= 3; ++i) {
        let_others_run();
        ASSERT_EQ(::write(e.b, "x", 1), 1);
        while (taken != i) ramie::this_fiber::yield();
    }
    for (const auto& each : fibers) each.get();
    for (const int fd : {e.a, e.b, set}) ::close(fd);
}

}  // namespace
