// Sizes and counts that no buffer has, compared with the kernel.

#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "support/oracle_cases.hpp"

namespace {

using namespace ramie::test;

constexpr channel streams[] = {channel::tcp, channel::unix_stream, channel::pipe};

constexpr std::size_t largest = SIZE_MAX;
constexpr std::size_t half = std::size_t{SSIZE_MAX} + 1;

void refill(ends e) { must("write", ::write(e.b, "hello", 5)); }

msghdr message_of(iovec* parts, std::size_t count) {
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    return message;
}

// The last bytes before memory that may not be touched.
class edge {
  public:
    edge() : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
        memory_ =
            ::mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must("mprotect", ::mprotect(end(), page_, PROT_NONE));
    }
    ~edge() { ::munmap(memory_, 2 * page_); }
    edge(const edge&) = delete;
    edge& operator=(const edge&) = delete;

    [[nodiscard]] char* last(std::size_t bytes) const { return end() - bytes; }

  private:
    [[nodiscard]] char* end() const { return static_cast<char*>(memory_) + page_; }
    std::size_t page_;
    void* memory_;
};

void receives_into_more_than_there_is(stage& s) {
    for (const channel c : streams) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            char bytes[10];
            refill(e);
            for (const std::size_t size : {largest, half}) {
                const std::size_t n = hidden(size);
                me.call("read", [&] { return ::read(e.a, bytes, n); });
                if (!is_socket(c)) continue;
                me.call("recv", [&] { return ::recv(e.a, bytes, n, 0); });
                refill(e);
                me.call("recvfrom", [&] { return ::recvfrom(e.a, bytes, n, 0, nullptr, nullptr); });
                refill(e);
            }
            me.receive(receiver::read, e.a, 10);
            me.call("read", [&] { return ::read(e.a, bytes, hidden(largest)); });
        });
    }
}

void waits_for_more_than_there_is(stage& s) {
    for (const channel c : {channel::tcp, channel::unix_stream}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            char bytes[10];
            for (const int flags : {int{MSG_PEEK}, 0, int{MSG_WAITALL}})
                me.call("recv", [&] { return ::recv(e.a, bytes, hidden(largest), flags); });
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            refill(e);
            me.until_blocked(name, 2);
            refill(e);
            me.until_drained(e.a);
            me.close(e.b);
        });
    }
}

void sends_more_than_there_is(stage& s) {
    for (const channel c : streams) {
        const ends e = s.open(c, SOCK_NONBLOCK);
        s.add(name_of(c), [=](actor& me) {
            const edge memory;
            for (const std::size_t size : {largest, half}) {
                const std::size_t n = hidden(size);
                me.call("write", [&] { return ::write(e.b, memory.last(5), n); });
                if (!is_socket(c)) continue;
                me.call("send", [&] { return ::send(e.b, memory.last(5), n, 0); });
                me.call("sendto", [&] { return ::sendto(e.b, memory.last(5), n, 0, nullptr, 0); });
            }
            me.receive(receiver::read, e.a, 10);
        });
    }
}

// --- vectors ---------------------------------------------------------------------------------

constexpr std::size_t too_many = IOV_MAX + 1;

struct many_parts {
    many_parts() { parts.fill({&byte, 1}); }
    char byte = 'x';
    std::array<iovec, too_many> parts{};
};

void of_a_bad_number_of_parts(stage& s) {
    for (const channel c : streams) {
        const ends e = s.open(c);
        s.add(name_of(c), [=](actor& me) {
            many_parts many;
            refill(e);
            for (const int count : {0, -1, INT_MIN, int{too_many}, INT_MAX}) {
                me.call("readv", [&] { return ::readv(e.a, many.parts.data(), hidden(count)); });
                me.call("writev", [&] { return ::writev(e.b, many.parts.data(), hidden(count)); });
            }
            if (!is_socket(c)) return;
            for (const std::size_t count : {too_many, half, largest}) {
                msghdr message = message_of(many.parts.data(), count);
                for (const int flags : {0, int{MSG_WAITALL}})
                    me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, flags); });
                me.call("sendmsg", [&] { return ::sendmsg(e.b, &message, 0); });
            }
            me.receive(receiver::read, e.a, 10);
        });
    }
}

void of_parts_of_a_bad_size(stage& s) {
    for (const channel c : streams) {
        const ends e = s.open(c, SOCK_NONBLOCK);
        s.add(name_of(c), [=](actor& me) {
            const edge memory;
            char bytes[10];
            refill(e);
            const auto in_every_way = [&](iovec* parts, int count) {
                me.call("writev", [&] { return ::writev(e.b, parts, count); });
                if (is_socket(c)) {
                    msghdr message = message_of(parts, static_cast<std::size_t>(count));
                    me.call("sendmsg", [&] { return ::sendmsg(e.b, &message, 0); });
                }
                for (iovec* each = parts; each != parts + count; ++each) each->iov_base = bytes;
                if (is_socket(c)) {
                    msghdr message = message_of(parts, static_cast<std::size_t>(count));
                    me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, 0); });
                }
                me.call("readv", [&] { return ::readv(e.a, parts, count); });
                refill(e);
            };
            char* const last = memory.last(5);
            iovec one[] = {{last, largest}};
            in_every_way(one, 1);
            iovec second[] = {{last, 5}, {last, half}};
            in_every_way(second, 2);
            std::array<iovec, 20> late{};
            late.fill({last, 1});
            late.back().iov_len = largest;
            in_every_way(late.data(), late.size());
        });
    }
}

// Each ends below the limit of addresses, all together are more than a call may move.
void of_parts_that_are_too_much_together(stage& s) {
    for (const channel c : streams) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            static char bytes[10];
            constexpr std::size_t much = std::size_t{1} << 40;
            iovec parts[] = {{bytes, much}, {bytes, much}, {bytes, 2}};
            me.call("readv", [&] { return ::readv(e.a, parts, 3); });
            if (!is_socket(c)) return;
            msghdr message = message_of(parts, 3);
            me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, 0); });
            me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, MSG_WAITALL); });
        });
        s.add(name + " writer", [=](actor& me) {
            for (int i = 0; i != (is_socket(c) ? 3 : 1); ++i) {
                me.until_blocked(name);
                refill(e);
                me.until_drained(e.a);
            }
            me.close(e.b);
        });
    }
}

// --- null pointers ---------------------------------------------------------------------------

void of_no_parts_waits(stage& s) {
    for (const channel c : {channel::tcp, channel::unix_datagram}) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            msghdr message{};
            me.call("recvmsg", [&] { return ::recvmsg(e.a, &message, 0); });
            message.msg_iovlen = 0;
            me.call("sendmsg", [&] { return ::sendmsg(e.a, &message, 0); });
            me.receive(receiver::recv, e.a, 10);
        });
        s.add(name + " writer", [=](actor& me) {
            for (int i = 0; i != (is_datagram(c) ? 2 : 1); ++i) {
                me.until_blocked(name);
                refill(e);
            }
        });
    }
}

void into_and_from_nothing(stage& s) {
    for (const channel c : streams) {
        const ends e = s.open(c);
        const std::string name = name_of(c);
        s.add(name, [=](actor& me) {
            char* const nowhere = hidden<char*>(nullptr);
            iovec* const no_parts = hidden<iovec*>(nullptr);
            iovec part{nowhere, 10};
            me.call("read", [&] { return ::read(e.a, nowhere, 10); });
            me.call("readv", [&] { return ::readv(e.a, &part, 1); });
            for (const int count : {0, 1, -1, int{too_many}}) {
                me.call("readv", [&] { return ::readv(e.a, no_parts, count); });
                me.call("writev", [&] { return ::writev(e.b, no_parts, count); });
            }
            me.call("write", [&] { return ::write(e.b, nowhere, 10); });
            me.call("write", [&] { return ::write(e.b, nowhere, 0); });
            me.call("read", [&] { return ::read(e.a, nowhere, 0); });
            me.call("writev", [&] { return ::writev(e.b, &part, 1); });
            if (is_socket(c)) {
                me.call("recv", [&] { return ::recv(e.a, nowhere, 10, 0); });
                me.call("recv", [&] { return ::recv(e.a, nowhere, 0, 0); });
                me.call("send", [&] { return ::send(e.b, nowhere, 10, 0); });
                me.call("send", [&] { return ::send(e.b, nowhere, 0, 0); });
            }
            me.receive(receiver::read, e.a, 10);
        });
        s.add(name + " writer", [=](actor& me) {
            me.until_blocked(name);
            refill(e);
        });
    }
}

const named_scenario scenarios[] = {
    {"receives_into_more_than_there_is", receives_into_more_than_there_is},
    {"waits_for_more_than_there_is", waits_for_more_than_there_is},
    {"sends_more_than_there_is", sends_more_than_there_is},
    {"of_a_bad_number_of_parts", of_a_bad_number_of_parts},
    {"of_parts_of_a_bad_size", of_parts_of_a_bad_size},
    {"of_parts_that_are_too_much_together", of_parts_that_are_too_much_together},
    {"of_no_parts_waits", of_no_parts_waits},
    {"into_and_from_nothing", into_and_from_nothing},
};

class a_count : public ::testing::TestWithParam<named_scenario> {};

TEST_P(a_count, is_taken_as_by_the_kernel) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, a_count, ::testing::ValuesIn(scenarios), scenario_name);

}  // namespace
