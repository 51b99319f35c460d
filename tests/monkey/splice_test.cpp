// sendfile, splice, tee and vmsplice, compared with the kernel.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

int new_file(stage& s, std::size_t size) {
    const int file = s.own(must("memfd_create", ::memfd_create("ramie", MFD_CLOEXEC)));
    std::string bytes(size, ' ');
    for (std::size_t i = 0; i != size; ++i) bytes[i] = static_cast<char>('a' + i % 23);
    must("write", ::write(file, bytes.data(), size));
    must("lseek", ::lseek(file, 0, SEEK_SET));
    return file;
}

// Until the other actor has ended and nothing is left; returns how much came.
void take_all(actor& me, int fd, std::string_view writer) {
    me.until_blocked(writer);
    std::string all;
    char piece[30'000];
    const auto take = [&] {
        const ssize_t n = ::read(fd, piece, sizeof piece);
        if (n > 0) all.append(piece, static_cast<std::size_t>(n));
        return n > 0;
    };
    must("F_SETFL", ::fcntl(fd, F_SETFL, O_NONBLOCK));
    while (!me.has_ended(writer))
        if (!take()) me.give_way();
    while (take()) {
    }
    me.log(std::to_string(all.size()) + ", " + std::to_string(std::hash<std::string>()(all)));
}

void a_file_goes_whole(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::unix_stream}) {
        const ends e = s.open(c);
        const int file = new_file(s, 6'000'000);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            off_t at = 1'000'000;
            me.call("sendfile", [&] { return ::sendfile(e.b, file, &at, 4'500'000); });
            me.log("offset " + std::to_string(at));
            me.call("sendfile", [&] { return ::sendfile(e.b, file, nullptr, 10); });
            // As much as there is.
            me.call("sendfile", [&] { return ::sendfile(e.b, file, &at, 4'500'000); });
            me.call("sendfile", [&] { return ::sendfile(e.b, file, &at, 10); });
            me.log_mode(e.b);
        });
        s.add(name + " reader", [=](actor& me) { take_all(me, e.a, name); });
    }
}

void a_file_goes_into_a_pipe_as_far_as_it_fits(stage& s) {
    const ends e = s.open(channel::pipe);
    const int file = new_file(s, 300'000);
    s.add("caller", [=](actor& me) {
        me.call("sendfile", [&] { return ::sendfile(e.b, file, nullptr, 200'000); });
        me.call_for_some("sendfile", 10'000,
                         [&] { return ::sendfile(e.b, file, nullptr, 10'000); });
        me.log_mode(e.b);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("caller");
        me.receive(receiver::read, e.a, 65536);
    });
}

void a_file_for_who_does_not_wait(stage& s) {
    const ends e = s.open(channel::tcp, SOCK_NONBLOCK);
    const int file = new_file(s, 9'000'000);
    s.add("caller", [=](actor& me) {
        me.call_for_some("sendfile", 9'000'000,
                         [&] { return ::sendfile(e.a, file, nullptr, 9'000'000); });
        fill(e.a);
        me.call("sendfile", [&] { return ::sendfile(e.a, file, nullptr, 9'000'000); });
        me.log_mode(e.a);
    });
}

void a_file_for_who_waits_a_while(stage& s) {
    const ends e = s.open(channel::pair);
    const int file = new_file(s, 100);
    fill(e.b);
    set_timeout(e.b, SO_SNDTIMEO, 30'000);
    s.add("caller", [=](actor& me) {
        me.takes_at_least(30ms, [&] {
            me.call("sendfile", [&] { return ::sendfile(e.b, file, nullptr, 100); });
        });
    });
}

void a_file_for_nobody(stage& s) {
    const int before = broken_pipes();
    const ends e = s.open(channel::pair);
    const int file = new_file(s, 100);
    s.add("caller", [=](actor& me) {
        me.close(e.a);
        me.call("sendfile", [&] { return ::sendfile(e.b, file, nullptr, 100); });
        me.log(std::to_string(broken_pipes() - before) + " signals");
        me.call("sendfile", [&] { return ::sendfile(900, file, nullptr, 100); });
        me.call("sendfile", [&] { return ::sendfile(e.b, 900, nullptr, 100); });
        me.call("sendfile", [&] { return ::sendfile(e.b, file, bad_pointer<off_t>(), 100); });
    });
}

long splice(int from, int to, std::size_t size, unsigned flags = 0) {
    return ::splice(from, nullptr, to, nullptr, size, flags);
}

void a_pipe_is_filled_from(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        const ends e = s.open(c);
        const ends pipe = s.open(channel::pipe);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            me.call("splice", [=] { return splice(e.a, pipe.b, 100); });
            me.receive(receiver::read, pipe.a, 100);
            me.call("splice", [=] { return splice(e.a, pipe.b, 100); });
            me.log_mode(e.a);
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            must("write", ::write(e.b, "hello", 5));
            me.until_blocked(name, 2);
            me.close(e.b);
        });
    }
}

void a_pipe_is_emptied_into(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        const ends e = s.open(c);
        const ends pipe = s.open(channel::pipe);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            me.call("splice", [=] { return splice(pipe.a, e.b, 100); });
            me.receive(receiver::read, e.a, 100);
            me.call("splice", [=] { return splice(pipe.a, e.b, 100); });
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            must("write", ::write(pipe.b, "hello", 5));
            me.until_blocked(name, 2);
            me.close(pipe.b);
        });
    }
}

// All that is in the pipe goes.
void a_pipe_waits_for_room(stage& s) {
    for (const channel c : {channel::tcp, channel::pair}) {
        const ends e = s.open(c);
        const ends pipe = s.open(channel::pipe);
        fill(e.b);
        const std::string bytes(40'000, 'x');
        must("write", ::write(pipe.b, bytes.data(), bytes.size()));
        const std::string name = name_of(c);
        s.add(name,
              [=](actor& me) { me.call("splice", [=] { return splice(pipe.a, e.b, 100'000); }); });
        s.add(name + " reader", [=](actor& me) {
            me.until_blocked(name);
            char piece[8192];
            while (!me.has_ended(name))
                if (::recv(e.a, piece, sizeof piece, MSG_DONTWAIT) < 0) me.give_way();
        });
    }
}

void nobody_waits_who_does_not_want_to(stage& s) {
    const ends from = s.open(channel::pipe);
    const ends to = s.open(channel::pipe);
    const ends tcp = s.open(channel::tcp, SOCK_NONBLOCK);
    s.add("caller", [=](actor& me) {
        const iovec part{const_cast<char*>("hello"), 5};
        me.call("splice", [=] { return splice(from.a, to.b, 10, SPLICE_F_NONBLOCK); });
        me.call("splice", [=] { return splice(tcp.a, to.b, 10); });
        me.call("tee", [=] { return ::tee(from.a, to.b, 10, SPLICE_F_NONBLOCK); });
        fill(to.b);
        me.call("vmsplice", [&] { return ::vmsplice(to.b, &part, 1, SPLICE_F_NONBLOCK); });
        must("write", ::write(from.b, "hello", 5));
        me.call("splice", [=] { return splice(from.a, to.b, 10, SPLICE_F_NONBLOCK); });
        me.call("splice", [=] { return splice(from.a, to.b, 0); });
        me.call("splice", [=] { return splice(from.b, to.a, 10); });
        me.call("splice", [=] { return splice(tcp.a, tcp.b, 10); });
        me.call("splice", [=] { return splice(900, to.b, 10); });
    });
}

void a_copy_of_what_comes(stage& s) {
    const ends from = s.open(channel::pipe);
    const ends to = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        me.call("tee", [=] { return ::tee(from.a, to.b, 10, 0); });
        me.receive(receiver::read, to.a, 10);
        me.receive(receiver::read, from.a, 10);
        me.call("tee", [=] { return ::tee(from.a, to.b, 10, 0); });
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("caller");
        must("write", ::write(from.b, "hello", 5));
        me.until_blocked("caller", 3);
        me.close(from.b);
    });
}

void memory_goes_into_a_pipe(stage& s) {
    const ends pipe = s.open(channel::pipe);
    fill(pipe.b);
    s.add("caller", [=](actor& me) {
        static char text[] = "hello";
        const iovec part{text, 5};
        me.call("vmsplice", [&] { return ::vmsplice(pipe.b, &part, 1, 0); });
        me.call("vmsplice", [&] { return ::vmsplice(900, &part, 1, 0); });
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("caller");
        char piece[65536];
        must("read", ::read(pipe.a, piece, sizeof piece));
    });
}

void memory_comes_from_a_pipe(stage& s) {
    const ends pipe = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        char text[10] = {};
        const iovec part{text, 9};
        me.call("vmsplice", [&] { return ::vmsplice(pipe.a, &part, 1, 0); });
        me.log(text);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("caller");
        must("write", ::write(pipe.b, "hello", 5));
    });
}

// Before the call, and in the middle of it.
void a_file_for_a_peer_that_is_gone(stage& s) {
    broken_pipes();
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        const ends e = s.open(c);
        const int file = new_file(s, 8'000'000);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            off_t at = 0;
            me.call_for_some("sendfile", 8'000'000,
                             [&] { return ::sendfile(e.b, file, &at, 8'000'000); });
            if (c == channel::tcp) return;  // whose end sees it go later, as it happens
            me.call("sendfile", [&] { return ::sendfile(e.b, file, nullptr, 10); });
        });
        s.add(name + " reader", [=](actor& me) {
            me.until_blocked(name);
            me.close(e.a);
        });
    }
}

void a_pipe_whose_peer_is_gone(stage& s) {
    const ends from = s.open(channel::pipe);
    const ends to = s.open(channel::pipe);
    s.add("caller", [=](actor& me) {
        const int before = broken_pipes();
        me.call("splice", [=] { return ::splice(from.a, nullptr, to.b, nullptr, 10, 0); });
        me.send(sender::write, from.b, "x");
        me.close(to.a);
        me.call("splice", [=] { return ::splice(from.a, nullptr, to.b, nullptr, 10, 0); });
        me.call("tee", [=] { return ::tee(from.a, to.b, 10, 0); });
        me.close(from.b);
        me.receive(receiver::read, from.a, 10);
        const ends third = open_channel(channel::pipe);
        me.call("splice", [=] { return ::splice(from.a, nullptr, third.b, nullptr, 10, 0); });
        me.call("tee", [=] { return ::tee(from.a, third.b, 10, 0); });
        me.log(std::to_string(broken_pipes() - before) + " signals");
        ::close(third.a);
        ::close(third.b);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("caller");
        me.send(sender::write, from.b, "0123456789");
    });
}

void refuses_bad_arguments(stage& s) {
    const ends pipe = s.open(channel::pipe);
    const ends tcp = s.open(channel::tcp);
    const int file = new_file(s, 100);
    s.add("caller", [=](actor& me) {
        off_t at = 0;
        off_t negative = -1;
        me.call("sendfile", [=] { return ::sendfile(900, file, nullptr, 10); });
        me.call("sendfile", [=] { return ::sendfile(tcp.b, 900, nullptr, 10); });
        me.call("sendfile", [=] { return ::sendfile(tcp.b, file, bad_pointer<off_t>(), 10); });
        me.call("sendfile", [&] { return ::sendfile(tcp.b, file, &negative, 10); });
        me.call("sendfile", [=] { return ::sendfile(tcp.b, file, nullptr, 0); });
        me.call("splice", [=] { return ::splice(900, nullptr, pipe.b, nullptr, 10, 0); });
        me.call("splice", [=] { return ::splice(pipe.a, nullptr, 900, nullptr, 10, 0); });
        me.call("splice", [&] { return ::splice(pipe.a, &at, tcp.b, nullptr, 10, 0); });
        me.call("splice", [&] { return ::splice(tcp.a, nullptr, pipe.b, &at, 10, 0); });
        me.call("splice", [=] { return ::splice(tcp.a, nullptr, tcp.b, nullptr, 10, 0); });
        me.call("splice", [=] { return ::splice(pipe.b, nullptr, tcp.b, nullptr, 10, 0); });
        me.call("tee", [=] { return ::tee(tcp.a, pipe.b, 10, 0); });
        me.call("tee", [=] { return ::tee(pipe.a, pipe.b, 10, 0); });
        me.call("vmsplice", [=] { return ::vmsplice(tcp.a, nullptr, 0, 0); });
        me.call("vmsplice", [=] { return ::vmsplice(pipe.b, bad_pointer<iovec>(), 1, 0); });
        me.call("vmsplice", [=] { return ::vmsplice(900, nullptr, 0, 0); });
    });
}

const named_scenario scenarios[] = {
    {"a_file_for_a_peer_that_is_gone", a_file_for_a_peer_that_is_gone},
    {"a_pipe_whose_peer_is_gone", a_pipe_whose_peer_is_gone},
    {"refuses_bad_arguments", refuses_bad_arguments},
    {"a_file_goes_whole", a_file_goes_whole},
    {"a_file_goes_into_a_pipe_as_far_as_it_fits", a_file_goes_into_a_pipe_as_far_as_it_fits},
    {"a_file_for_who_does_not_wait", a_file_for_who_does_not_wait},
    {"a_file_for_who_waits_a_while", a_file_for_who_waits_a_while},
    {"a_file_for_nobody", a_file_for_nobody},
    {"a_pipe_is_filled_from", a_pipe_is_filled_from},
    {"a_pipe_is_emptied_into", a_pipe_is_emptied_into},
    {"a_pipe_waits_for_room", a_pipe_waits_for_room},
    {"nobody_waits_who_does_not_want_to", nobody_waits_who_does_not_want_to},
    {"a_copy_of_what_comes", a_copy_of_what_comes},
    {"memory_goes_into_a_pipe", memory_goes_into_a_pipe},
    {"memory_comes_from_a_pipe", memory_comes_from_a_pipe},
};

class splicing : public ::testing::TestWithParam<named_scenario> {};

TEST_P(splicing, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, splicing, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
