// Naming, setting and closing descriptors, compared with the kernel.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;

int open_memory(stage& s) {
    return s.own(must("memfd", ::memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC)));
}

// --- close and shutdown ----------------------------------------------------------------------

void closes_once(stage& s) {
    for (const channel c : all_channels) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            me.close(e.a);
            me.close(e.a);
            me.receive(receiver::read, e.a, 10);
        });
    }
}

// One at a time: a number that one actor closes, another may get.
void closes_bad_numbers(stage& s) {
    s.add("caller", [](actor& me) {
        for (const int fd : {-1, 900, 1 << 30}) me.close(fd);
    });
}

// One after the other: signals are counted for the whole process.
void shuts_down(stage& s) {
    s.add("caller", [&s](actor& me) {
        for (const channel c : all_channels)
            for (const int how : {int{SHUT_RD}, int{SHUT_WR}, int{SHUT_RDWR}, 9}) {
                const ends e = s.open(c);
                const int before = broken_pipes();
                me.log(name_of(c) + std::to_string(how));
                for (int i = 0; i != 2; ++i)
                    me.call("shutdown", [=] { return ::shutdown(e.a, how); });
                if (!is_socket(c) || how == SHUT_RD || how == 9) continue;
                me.send(sender::send, e.a, "hello");
                me.receive(receiver::recv, e.b, 10, MSG_DONTWAIT);
                me.log(broken_pipes() > before ? "signalled" : "quiet");
            }
    });
    const int unconnected = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    s.add("unconnected", [=](actor& me) {
        for (const int fd : {unconnected, -1, 900})
            me.call("shutdown", [=] { return ::shutdown(fd, SHUT_RDWR); });
    });
}

// --- dup -------------------------------------------------------------------------------------

void duplicates(stage& s) {
    const ends e = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        const int copies[] = {
            me.make("dup", [=] { return ::dup(e.a); }),
            me.make("dup2", [=] { return ::dup2(e.a, 100); }),
            me.make("dup3", [=] { return ::dup3(e.a, 101, O_CLOEXEC); }),
            me.make("F_DUPFD", [=] { return ::fcntl(e.a, F_DUPFD, 102); }),
            me.make("F_DUPFD_CLOEXEC", [=] { return ::fcntl(e.a, F_DUPFD_CLOEXEC, 103); })};
        for (const int copy : copies) {
            me.send(e.b, "hello");
            me.receive(receiver::read, copy, 10);
            me.call("F_GETFD", [=] { return ::fcntl(copy, F_GETFD); });
            me.log(copy >= 100 ? "number " + std::to_string(copy) : "a free number");
            me.close(copy);
        }
        me.send(e.b, "still open");
        me.receive(receiver::read, e.a, 20);
    });
}

void takes_over_an_open_number(stage& s) {
    const ends first = s.open(channel::tcp);
    const ends second = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        me.send(first.b, "lost");
        me.receive(receiver::read, first.a, 2);
        me.log(::dup2(second.a, first.a) == first.a ? "taken over" : "not taken over");
        must("write", ::write(second.b, "kept", 4));
        me.receive(receiver::read, first.a, 10);
        me.log(::dup3(second.b, first.a, 0) == first.a ? "taken over" : "not taken over");
        me.receive(receiver::read, first.a, 10);
        me.send(sender::write, first.a, "back");
        me.receive(receiver::read, second.a, 10);
        me.receive(receiver::recv, first.b, 10);
    });
}

void refuses_bad_duplicates(stage& s) {
    const ends e = s.open(channel::pair);
    s.add("caller", [=](actor& me) {
        me.call("dup", [] { return ::dup(-1); });
        me.call("dup", [] { return ::dup(900); });
        me.call("dup2", [=] { return ::dup2(900, e.a); });
        me.call("dup2", [=] { return ::dup2(e.a, -1); });
        me.call("dup2", [=] { return ::dup2(e.a, 1 << 30); });
        me.log(::dup2(e.a, e.a) == e.a ? "the same" : "another");
        me.call("dup2", [] { return ::dup2(900, 900); });
        me.call("dup3", [=] { return ::dup3(e.a, e.a, 0); });
        me.call("dup3", [=] { return ::dup3(e.a, 100, 0x7777); });
        me.call("F_DUPFD", [=] { return ::fcntl(e.a, F_DUPFD, -1); });
        me.call("F_DUPFD", [] { return ::fcntl(900, F_DUPFD, 5); });
        me.send(e.b, "untouched");
        me.receive(receiver::read, e.a, 20);
    });
}

// --- fcntl and ioctl -------------------------------------------------------------------------

void passes_every_fcntl_on(stage& s) {
    const int memory = open_memory(s);
    const ends e = s.open(channel::pair);
    const ends pipe = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        me.call("F_ADD_SEALS", [=] { return ::fcntl(memory, F_ADD_SEALS, F_SEAL_GROW); });
        me.call("F_GET_SEALS", [=] { return ::fcntl(memory, F_GET_SEALS); });
        me.call("ftruncate", [=] { return ::ftruncate(memory, 10); });
        struct flock region {};
        region.l_type = F_WRLCK;
        region.l_whence = SEEK_SET;
        for (const int command : {F_OFD_SETLK, F_OFD_GETLK, F_SETLK})
            me.call("lock", [&] { return ::fcntl(memory, command, &region); });
        me.log("type " + std::to_string(region.l_type));
        me.call("F_SETPIPE_SZ", [=] { return ::fcntl(pipe.a, F_SETPIPE_SZ, 65536); });
        me.call("F_GETPIPE_SZ", [=] { return ::fcntl(pipe.b, F_GETPIPE_SZ); });
        me.call("F_SETOWN", [=] { return ::fcntl(e.a, F_SETOWN, ::getpid()); });
        me.log(::fcntl(e.a, F_GETOWN) == ::getpid() ? "owned" : "not owned");
        me.call("F_SETFD", [=] { return ::fcntl(e.a, F_SETFD, FD_CLOEXEC); });
        me.call("F_GETFD", [=] { return ::fcntl(e.a, F_GETFD); });
        me.call("unknown", [=] { return ::fcntl(e.a, 7777, 1); });
        for (const int fd : {-1, 900}) {
            me.call("F_GETFL", [=] { return ::fcntl(fd, F_GETFL); });
            me.call("F_SETFL", [=] { return ::fcntl(fd, F_SETFL, O_NONBLOCK); });
        }
    });
}

// Nothing that a call does for its own sake shows in the flags.
void keeps_the_flags(stage& s) {
    for (const channel c : all_channels) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            const auto flags = [&] {
                for (const int fd : {e.a, e.b})
                    me.call("F_GETFL", [=] { return ::fcntl(fd, F_GETFL); });
            };
            flags();
            must("write", ::write(e.b, "hello", 5));
            me.receive(receiver::read, e.a, 10);
            flags();
            must("fcntl", ::fcntl(e.a, F_SETFL, O_NONBLOCK));
            me.receive(receiver::read, e.a, 10);
            flags();
            must("fcntl", ::fcntl(e.a, F_SETFL, 0));
            flags();
        });
    }
}

void passes_every_ioctl_on(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        int value = 0;
        me.send(e.b, "hello");
        for (const unsigned long request :
             {static_cast<unsigned long>(FIONREAD), static_cast<unsigned long>(SIOCATMARK),
              static_cast<unsigned long>(TIOCOUTQ), static_cast<unsigned long>(TIOCGWINSZ),
              0xdeadbeefUL}) {
            value = 0;
            me.call("ioctl", [&] { return ::ioctl(e.a, request, &value); });
            me.log("value " + std::to_string(value));
        }
        me.call("FIOCLEX", [=] { return ::ioctl(e.a, FIOCLEX); });
        me.call("F_GETFD", [=] { return ::fcntl(e.a, F_GETFD); });
        me.call("FIONBIO", [=] { return ::ioctl(e.a, FIONBIO, bad_pointer<int>()); });
        for (const int on : {1, 0}) {
            me.call("FIONBIO", [&] { return ::ioctl(e.a, FIONBIO, &on); });
            me.log_mode(e.a);
        }
        for (const int fd : {-1, 900})
            me.call("FIONREAD", [&] { return ::ioctl(fd, FIONREAD, &value); });
    });
}

// --- options ---------------------------------------------------------------------------------

void gives_timeouts_back(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO})
            for (const timeval set : {timeval{1, 200'000}, timeval{0, 1}, timeval{0, 0},
                                      timeval{0, 1'000'000}, timeval{0, -1}}) {
                me.call("set",
                        [&] { return ::setsockopt(e.a, SOL_SOCKET, name, &set, sizeof set); });
                timeval got{};
                socklen_t length = sizeof got;
                me.call("get", [&] { return ::getsockopt(e.a, SOL_SOCKET, name, &got, &length); });
                me.log(std::to_string(got.tv_sec) + " s " + std::to_string(got.tv_usec) + " us");
            }
    });
}

// A name means nothing without its level: IPV6_JOIN_GROUP has the number of SO_RCVTIMEO.
void passes_every_option_on(stage& s) {
    static_assert(IPV6_JOIN_GROUP == SO_RCVTIMEO);
    const int six = s.own(must("socket", ::socket(AF_INET6, SOCK_DGRAM, 0)));
    const ends e = s.open(channel::tcp);
    const ends pipe = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        ipv6_mreq group{};
        group.ipv6mr_multiaddr.s6_addr[0] = 0xff;
        group.ipv6mr_multiaddr.s6_addr[1] = 0x01;
        group.ipv6mr_multiaddr.s6_addr[15] = 0x42;
        group.ipv6mr_interface = 1;
        const auto set = [&](int fd, int level, int name, const void* value, socklen_t size) {
            me.call("setsockopt", [=] { return ::setsockopt(fd, level, name, value, size); });
        };
        set(six, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof group);
        set(six, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &group, sizeof group);
        const int one = 1;
        for (const int fd : {e.a, pipe.a, -1, 900}) {
            set(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
            set(fd, SOL_SOCKET, 7777, &one, sizeof one);
            set(fd, SOL_SOCKET, SO_RCVTIMEO, &one, sizeof one);
            set(fd, SOL_SOCKET, SO_RCVTIMEO, bad_pointer<void>(), sizeof(timeval));
            set(fd, 7777, SO_KEEPALIVE, &one, sizeof one);
            set(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            int value = 0;
            socklen_t length = sizeof value;
            me.call("getsockopt",
                    [&] { return ::getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &length); });
            me.log("value " + std::to_string(value != 0));
        }
    });
}

// --- making ----------------------------------------------------------------------------------

void refuses_to_make_bad_ones(stage& s) {
    s.add("caller", [](actor& me) {
        int fds[2];
        me.call("socket", [] { return ::socket(AF_INET, 77, 0); });
        me.call("socket", [] { return ::socket(7777, SOCK_STREAM, 0); });
        me.call("socketpair", [&] { return ::socketpair(AF_INET, SOCK_STREAM, 0, fds); });
        me.call("socketpair",
                [&] { return ::socketpair(AF_UNIX, SOCK_STREAM, 0, bad_pointer<int>()); });
        me.call("pipe", [] { return ::pipe(bad_pointer<int>()); });
        me.call("pipe2", [&] { return ::pipe2(fds, 0x7777); });
    });
}

void makes_them_in_their_mode(stage& s) {
    s.add("caller", [&s](actor& me) {
        for (const channel c : all_channels)
            for (const int flags : {0, int{SOCK_NONBLOCK}, SOCK_NONBLOCK | SOCK_CLOEXEC}) {
                const ends e = s.open(c, flags);
                me.log(name_of(c));
                me.log_mode(e.a);
                me.log_mode(e.b);
                me.call("F_GETFD", [=] { return ::fcntl(e.a, F_GETFD); });
            }
    });
}

const named_scenario scenarios[] = {
    {"closes_once", closes_once},
    {"closes_bad_numbers", closes_bad_numbers},
    {"shuts_down", shuts_down},
    {"duplicates", duplicates},
    {"takes_over_an_open_number", takes_over_an_open_number},
    {"refuses_bad_duplicates", refuses_bad_duplicates},
    {"passes_every_fcntl_on", passes_every_fcntl_on},
    {"keeps_the_flags", keeps_the_flags},
    {"passes_every_ioctl_on", passes_every_ioctl_on},
    {"gives_timeouts_back", gives_timeouts_back},
    {"passes_every_option_on", passes_every_option_on},
    {"refuses_to_make_bad_ones", refuses_to_make_bad_ones},
    {"makes_them_in_their_mode", makes_them_in_their_mode},
};

class descriptor_calls : public ::testing::TestWithParam<named_scenario> {};

TEST_P(descriptor_calls, do_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, descriptor_calls, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
