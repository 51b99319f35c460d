// Calls on the wrong thing, with bad sizes and bad pointers, compared with the kernel.

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/uio.h>
#include <unistd.h>

#include <vector>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;

void receive_in_every_way(actor& me, int fd, std::size_t size = 10) {
    for (const receiver by : all_receivers) me.receive(by, fd, size);
}

void send_in_every_way(actor& me, int fd, std::string_view bytes = "hello") {
    for (const sender by : all_senders) me.send(by, fd, bytes);
}

void of_no_descriptor(stage& s) {
    s.add("caller", [](actor& me) {
        for (const int fd : {-1, 900, 1 << 30, INT_MIN}) {
            receive_in_every_way(me, fd);
            send_in_every_way(me, fd);
        }
    });
}

void of_a_closed_descriptor(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        must("write", ::write(e.b, "hello", 5));
        me.receive(receiver::recv, e.a, 10);
        me.close(e.a);
        receive_in_every_way(me, e.a);
        send_in_every_way(me, e.a);
    });
}

void of_the_wrong_kind(stage& s) {
    const ends pipe = s.open(channel::pipe);
    const int file = s.own(must("open", ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    const int null = s.own(must("open", ::open("/dev/null", O_WRONLY | O_CLOEXEC)));
    s.add("caller", [=](actor& me) {
        for (const int fd : {pipe.a, pipe.b, file, null}) {
            for (const receiver by : all_receivers)
                if (takes_flags(by) || fd == pipe.b || fd == null) me.receive(by, fd, 10);
            for (const sender by : all_senders)
                if (takes_flags(by) || fd == pipe.a || fd == file) me.send(by, fd, "hello");
        }
    });
}

void of_what_is_not_connected(stage& s) {
    const int before = broken_pipes();
    for (const int domain : {AF_INET, AF_UNIX}) {
        const int fd = s.own(must("socket", ::socket(domain, SOCK_STREAM, 0)));
        const int listener = s.own(open_listener(domain, 8));
        s.add(std::to_string(domain), [=](actor& me) {
            for (const int each : {fd, listener}) {
                receive_in_every_way(me, each);
                for (const sender by : {sender::send, sender::sendto, sender::sendmsg})
                    me.send(by, each, "hello", MSG_NOSIGNAL);
            }
        });
    }
    s.add("signals", [=](actor& me) { me.log(std::to_string(broken_pipes() - before)); });
}

void of_a_stream_with_an_address(stage& s) {
    for (const channel c : {channel::tcp, channel::unix_stream}) {
        const ends e = s.open(c);
        const address at = address_of(e.a);
        s.add(name_of(c), [=](actor& me) {
            me.call("sendto", [&] { return ::sendto(e.b, "hello", 5, 0, at.get(), at.length); });
            me.receive(receiver::recv, e.a, 10, MSG_DONTWAIT);
        });
    }
}

// Of nothing, by calls that need not wait for it.
void of_no_bytes(stage& s) {
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            for (const receiver by : {receiver::read, receiver::readv}) me.receive(by, e.a, 0);
            for (const sender by : all_senders)
                if (is_socket(c) || !takes_flags(by)) me.send(by, e.b, "");
            iovec none{};
            me.call("readv", [&] { return ::readv(e.a, &none, 0); });
            me.call("writev", [&] { return ::writev(e.b, &none, 0); });
            me.call("readv", [&] { return ::readv(e.a, nullptr, 0); });
        });
    }
}

void into_a_bad_buffer(stage& s) {
    for (const channel c : all_channels) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            const iovec bad{bad_pointer<char>(), 10};
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(&bad);
            message.msg_iovlen = 1;
            const auto refill = [&] { must("write", ::write(e.b, "hello", 5)); };
            refill();
            me.call("read", [=] { return ::read(e.a, bad_pointer<char>(), 10); });
            if (is_datagram(c)) refill();
            me.call("readv", [&] { return ::readv(e.a, &bad, 1); });
            if (is_datagram(c)) refill();
            if (is_socket(c)) {
                me.call("recv", [=] { return ::recv(e.a, bad_pointer<char>(), 10, 0); });
                if (is_datagram(c)) refill();
                me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, 0); });
                if (is_datagram(c)) refill();
                if (is_stream(c))
                    me.call("recv",
                            [=] { return ::recv(e.a, bad_pointer<char>(), 10, MSG_WAITALL); });
            }
            me.receive(receiver::read, e.a, 10);
        });
    }
}

void from_a_bad_buffer(stage& s) {
    for (const channel c : all_channels) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            const iovec bad{bad_pointer<char>(), 10};
            msghdr message{};
            message.msg_iov = const_cast<iovec*>(&bad);
            message.msg_iovlen = 1;
            me.call("write", [=] { return ::write(e.b, bad_pointer<char>(), 10); });
            me.call("writev", [&] { return ::writev(e.b, &bad, 1); });
            if (is_socket(c)) {
                me.call("send", [=] { return ::send(e.b, bad_pointer<char>(), 10, 0); });
                me.call("sendmsg", [&] { return ::sendmsg(e.b, &message, 0); });
                must("F_SETFL", ::fcntl(e.a, F_SETFL, O_NONBLOCK));
                me.receive(receiver::recv, e.a, 10);
            }
        });
    }
}

void with_no_message(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("caller", [=](actor& me) {
        must("write", ::write(e.b, "hello", 5));
        msghdr* volatile no_message = nullptr;
        iovec* volatile no_parts = nullptr;
        me.call("recvmsg", [=] { return ::recvmsg(e.a, no_message, 0); });
        me.call("sendmsg", [=] { return ::sendmsg(e.a, no_message, 0); });
        me.call("readv", [=] { return ::readv(e.a, no_parts, 1); });
        me.call("writev", [=] { return ::writev(e.a, no_parts, 1); });
        msghdr message{};
        message.msg_iovlen = 1;
        me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, 0); });
        me.call("sendmsg", [&] { return ::sendmsg(e.a, &message, 0); });
    });
}

// Pointers to memory that is not there.
void with_a_bad_message(stage& s) {
    for (const channel c : all_channels) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            must("write", ::write(e.b, "hello", 5));
            auto* const parts = bad_pointer<iovec>();
            auto* const bad = bad_pointer<msghdr>();
            me.call("readv", [=] { return ::readv(e.a, parts, 1); });
            me.call("writev", [=] { return ::writev(e.b, parts, 1); });
            me.call("recvmsg", [=] { return ::recvmsg(e.a, bad, 0); });
            me.call("sendmsg", [=] { return ::sendmsg(e.b, bad, 0); });
            msghdr message{};
            message.msg_iov = parts;
            message.msg_iovlen = 2;
            me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, 0); });
            me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, MSG_WAITALL); });
            me.call("sendmsg", [&] { return ::sendmsg(e.b, &message, 0); });
            me.receive(receiver::read, e.a, 10);
        });
    }
}

void for_a_bad_address(stage& s) {
    for (const channel c : {channel::udp, channel::tcp}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            char bytes[10];
            address who;
            auto* const bad_address = bad_pointer<sockaddr>();
            auto* const bad_length = bad_pointer<socklen_t>();
            for (int i = 0; i != 2; ++i) must("write", ::write(e.b, "hello", 5));
            me.call("recvfrom",
                    [&] { return ::recvfrom(e.a, bytes, 5, 0, who.get(), bad_length); });
            me.call("recvfrom",
                    [&] { return ::recvfrom(e.a, bytes, 5, 0, bad_address, &who.length); });
            me.receive(receiver::recv, e.a, 10, MSG_DONTWAIT);
            me.call("sendto", [&] { return ::sendto(e.b, "hello", 5, 0, bad_address, 16); });
            me.receive(receiver::recv, e.a, 10, MSG_DONTWAIT);
        });
    }
}

// Asked for the address after what was waited for has been received.
void for_an_address_without_a_length(stage& s) {
    for (const channel c : {channel::tcp, channel::pair}) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            char bytes[10];
            address who;
            socklen_t* const nowhere[] = {nullptr, bad_pointer<socklen_t>()};
            for (socklen_t* const length : nowhere) {
                me.call("recvfrom",
                        [&] { return ::recvfrom(e.a, bytes, 9, MSG_WAITALL, who.get(), length); });
                me.receive(receiver::recv, e.a, 10, MSG_DONTWAIT);
            }
        });
        s.add(std::string("writer ") + name_of(c), [=](actor& me) {
            for (int i = 0; i != 2; ++i) {
                me.until_blocked(name_of(c), 2 * i);
                must("write", ::write(e.b, "some", 4));
                must("write", ::write(e.b, "bytes", 5));
            }
        });
    }
}

// Urgent data of one byte does not use up what came before it.
void urgent_data_first(stage& s) {
    const ends e = s.open(channel::tcp);
    s.add("reader", [=](actor& me) {
        me.receive(receiver::recv, e.a, 3);
        me.receive(receiver::recv, e.a, 10, MSG_OOB);
        for (int i = 0; i != 2; ++i) me.receive(receiver::recv, e.a, 10);
    });
    s.add("writer", [=](actor& me) {
        me.until_blocked("reader");
        must("send", ::send(e.b, "abcdef!", 7, MSG_OOB));
        me.until_blocked("reader");
        must("send", ::send(e.b, "ghi", 3, 0));
    });
}

const named_scenario scenarios[] = {
    {"of_no_descriptor", of_no_descriptor},
    {"of_a_closed_descriptor", of_a_closed_descriptor},
    {"of_the_wrong_kind", of_the_wrong_kind},
    {"of_what_is_not_connected", of_what_is_not_connected},
    {"of_a_stream_with_an_address", of_a_stream_with_an_address},
    {"of_no_bytes", of_no_bytes},
    {"into_a_bad_buffer", into_a_bad_buffer},
    {"from_a_bad_buffer", from_a_bad_buffer},
    {"with_no_message", with_no_message},
    {"with_a_bad_message", with_a_bad_message},
    {"for_a_bad_address", for_a_bad_address},
    {"for_an_address_without_a_length", for_an_address_without_a_length},
    {"urgent_data_first", urgent_data_first},
};

class a_call : public ::testing::TestWithParam<named_scenario> {};

TEST_P(a_call, is_answered_as_by_the_kernel) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, a_call, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
