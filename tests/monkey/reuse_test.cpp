// Descriptors that lose their number while a fiber waits, and numbers that come back as another
// file.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "support/passing.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
namespace this_fiber = ramie::this_fiber;

constexpr channel kinds[] = {channel::tcp, channel::unix_stream, channel::udp, channel::pipe};

class lost_number : public patched_test, public ::testing::WithParamInterface<channel> {
  protected:
    // What a read says that another fiber began.
    struct outcome {
        ssize_t result = 0;
        int error = 0;
        std::string bytes;
    };
    static ramie::fiber<> start_reading(int fd, outcome& seen) {
        auto f = ramie::spawn([fd, &seen] {
            char bytes[10] = {};
            seen.result = ::read(fd, bytes, sizeof bytes - 1);
            seen.error = errno;
            seen.bytes = bytes;
        });
        let_others_run();
        EXPECT_FALSE(f.ready());
        return f;
    }
    static void expect_closed(const outcome& seen) {
        EXPECT_EQ(seen.result, -1);
        EXPECT_EQ(seen.error, EBADF);
    }

    // The number serves a new file as if it were its first.
    static void expect_fresh(int fd, int peer) {
        outcome seen;
        const auto reader = start_reading(fd, seen);
        ASSERT_EQ(::write(peer, "new", 3), 3);
        reader.get();
        EXPECT_EQ(seen.bytes, "new");
        const auto again = start_reading(fd, seen);
        ASSERT_EQ(::write(peer, "er", 2), 2);
        again.get();
        EXPECT_EQ(seen.bytes, "er");
    }

    // A new channel with its end `a` under a number that nobody else gets.
    static constexpr int number = 200;
    static ends open_numbered(channel c) {
        const ends e = open_channel(c);
        EXPECT_EQ(::fcntl(e.a, F_DUPFD_CLOEXEC, number), number);
        ::close(e.a);
        return {number, e.b};
    }
};

TEST_P(lost_number, is_told_to_all_who_wait) {
    const ends e = open_channel(GetParam());
    outcome first;
    outcome second;
    const auto one = start_reading(e.a, first);
    const auto two = start_reading(e.a, second);
    EXPECT_EQ(::close(e.a), 0);
    one.get();
    two.get();
    expect_closed(first);
    expect_closed(second);
    ::close(e.b);
}

// As close() by another fiber does, from where the scheduler may not be touched.
TEST_P(lost_number, is_told_by_a_thread_and_by_the_loop) {
    const int fd = number;
    const auto by_thread = [] { std::thread([] { EXPECT_EQ(::close(fd), 0); }).join(); };
    const auto by_loop = [] { ramie::this_scheduler().post([] { EXPECT_EQ(::close(fd), 0); }); };
    for (int i = 0; i != 10; ++i) {
        const ends e = open_numbered(GetParam());
        outcome seen;
        const auto reader = start_reading(e.a, seen);
        i % 2 == 0 ? by_thread() : by_loop();
        reader.get();
        expect_closed(seen);
        ::close(e.b);
    }
}

// More than the notes to the loop can name.
TEST_P(lost_number, is_told_of_many_at_once) {
    constexpr std::size_t count = 300;
    std::vector<ends> all;
    std::vector<outcome> seen(count);
    std::vector<ramie::fiber<>> readers;
    for (std::size_t i = 0; i != count; ++i) {
        all.push_back(open_channel(GetParam()));
        readers.push_back(start_reading(all[i].a, seen[i]));
    }
    ramie::this_scheduler().post([&] {
        for (const ends& each : all) ::close(each.a);
    });
    for (std::size_t i = 0; i != count; ++i) {
        readers[i].get();
        expect_closed(seen[i]);
        ::close(all[i].b);
    }
}

// Closed and taken again before the fiber that waited has run.
TEST_P(lost_number, is_told_although_it_is_in_use_again) {
    for (const channel next : kinds) {
        const ends old = open_numbered(GetParam());
        outcome seen;
        const auto reader = start_reading(old.a, seen);
        // Woken by data, it must not take the next file's.
        ASSERT_EQ(::write(old.b, "stale", 5), 5);
        EXPECT_EQ(::close(old.a), 0);
        const ends fresh = open_numbered(next);
        ASSERT_EQ(::write(fresh.b, "keep", 4), 4);
        reader.get();
        expect_closed(seen);
        char bytes[10] = {};
        EXPECT_EQ(::read(fresh.a, bytes, 9), 4);
        EXPECT_STREQ(bytes, "keep");
        expect_fresh(fresh.a, fresh.b);
        for (const int fd : {old.b, fresh.a, fresh.b}) ::close(fd);
    }
}

TEST_P(lost_number, is_told_when_another_file_takes_it_over) {
    for (const channel next : kinds) {
        const ends old = open_channel(GetParam());
        const ends fresh = open_channel(next);
        outcome seen;
        const auto reader = start_reading(old.a, seen);
        ASSERT_EQ(::dup2(fresh.a, old.a), old.a);
        reader.get();
        expect_closed(seen);
        expect_fresh(old.a, fresh.b);
        for (const int fd : {old.a, old.b, fresh.a, fresh.b}) ::close(fd);
    }
}

// What is refused takes nothing over.
TEST_P(lost_number, is_kept_when_no_other_file_takes_it_over) {
    const ends e = open_channel(GetParam());
    outcome seen;
    const auto reader = start_reading(e.a, seen);
    constexpr int nothing = 900;
    EXPECT_EQ(::dup3(e.b, e.a, O_APPEND), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::dup3(e.a, e.a, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(::dup3(nothing, e.a, O_CLOEXEC), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_EQ(::dup2(nothing, e.a), -1);
    EXPECT_EQ(errno, EBADF);
    let_others_run();
    EXPECT_FALSE(reader.ready());
    ASSERT_EQ(::write(e.b, "still", 5), 5);
    reader.get();
    EXPECT_EQ(seen.bytes, "still");
    for (const int fd : {e.a, e.b}) ::close(fd);
}

TEST_P(lost_number, is_told_by_the_end_of_its_stream) {
    const ends e = open_channel(GetParam());
    FILE* const stream = ::fdopen(e.a, "r");
    ASSERT_NE(stream, nullptr);
    outcome seen;
    const auto reader = start_reading(e.a, seen);
    EXPECT_EQ(std::fclose(stream), 0);
    reader.get();
    expect_closed(seen);
    ::close(e.b);
}

TEST_P(lost_number, is_told_by_the_close_of_a_range) {
    const ends e = open_numbered(GetParam());
    outcome seen;
    const auto reader = start_reading(e.a, seen);
    EXPECT_EQ(::close_range(number, number + 10, 0), 0);
    reader.get();
    expect_closed(seen);
    ::close(e.b);
}

TEST(closefrom, spares_the_loop) {
    ramie::monkey::patch_all();
    ramie::run([] {
        let_others_run();
        ::closefrom(3);
        const ends e = open_channel(channel::pipe);
        const auto reader = ramie::spawn([&] {
            char byte;
            EXPECT_EQ(::read(e.a, &byte, 1), 1);
        });
        let_others_run();
        EXPECT_EQ(::write(e.b, "x", 1), 1);
        reader.get();
        for (const int fd : {e.a, e.b}) ::close(fd);
    });
}

// Nobody can know, until the number is made anew.
TEST_P(lost_number, is_told_when_it_comes_back_after_an_unseen_close) {
    for (const channel next : kinds) {
        const ends old = open_numbered(GetParam());
        outcome seen;
        const auto reader = start_reading(old.a, seen);
        ::syscall(SYS_close, old.a);
        const ends fresh = open_numbered(next);
        expect_fresh(fresh.a, fresh.b);
        reader.get();
        expect_closed(seen);
        for (const int fd : {old.b, fresh.a, fresh.b}) ::close(fd);
    }
}

TEST_P(lost_number, may_become_a_regular_file_unseen) {
    const ends e = open_channel(GetParam());
    char bytes[10] = {};
    ASSERT_EQ(::write(e.b, "x", 1), 1);
    ASSERT_EQ(::read(e.a, bytes, 9), 1);
    const int file = ::open("/proc/self/comm", O_RDWR | O_CLOEXEC);
    ASSERT_EQ(::syscall(SYS_dup3, file, e.a, O_CLOEXEC), e.a);
    EXPECT_GT(::read(e.a, bytes, 5), 0) << errno;
    EXPECT_EQ(::write(e.a, "renamed", 7), 7) << errno;
    for (const int fd : {file, e.a, e.b}) ::close(fd);
}

INSTANTIATE_TEST_SUITE_P(, lost_number, ::testing::ValuesIn(kinds),
                         channel_name<::testing::TestParamInfo<channel>>);

// --- numbers that nobody told of --------------------------------------------------------------

ends open_by_pipe2() {
    int fds[2];
    must("pipe2", ::syscall(SYS_pipe2, fds, O_CLOEXEC));
    return {fds[0], fds[1]};
}

ends open_by_socketpair() {
    int fds[2];
    must("socketpair", ::syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    return {fds[0], fds[1]};
}

int receive_by_raw_call(int over) {
    char bytes[16];
    passing_message m(bytes, sizeof bytes);
    must("recvmsg", ::syscall(SYS_recvmsg, over, &m.message, 0));
    return m.taken();
}

template <channel Kind, auto Receive>
ends open_by_message() {
    const ends sent = open_channel(Kind);
    const ends over = open_channel(channel::pair);
    send_descriptor(over.b, "x", sent.a);
    const int received = Receive(over.a);
    for (const int fd : {sent.a, over.a, over.b}) ::close(fd);
    return {received, sent.b};
}

struct unseen_origin {
    const char* name;
    ends (*open)();
};
void PrintTo(const unseen_origin& o, std::ostream* out) { *out << o.name; }

constexpr unseen_origin origins[] = {
    {"pipe2", open_by_pipe2},
    {"socketpair", open_by_socketpair},
    {"a_message_with_a_pipe", open_by_message<channel::pipe, receive_descriptor>},
    {"a_message_with_a_socket", open_by_message<channel::tcp, receive_descriptor>},
    {"an_unseen_message_with_a_pipe", open_by_message<channel::pipe, receive_by_raw_call>},
    {"an_unseen_message_with_a_socket", open_by_message<channel::tcp, receive_by_raw_call>},
};

class unseen_number : public patched_test, public ::testing::WithParamInterface<unseen_origin> {};

TEST_P(unseen_number, is_waited_for_like_any_other) {
    const ends e = GetParam().open();
    const auto reader = ramie::spawn([&] {
        char bytes[10] = {};
        EXPECT_EQ(::read(e.a, bytes, 9), 5);
        EXPECT_STREQ(bytes, "hello");
    });
    let_others_run();
    EXPECT_FALSE(reader.ready());
    EXPECT_EQ(::fcntl(e.a, F_GETFL) & O_NONBLOCK, 0);
    ASSERT_EQ(::write(e.b, "hello", 5), 5);
    reader.get();
    for (const int fd : {e.a, e.b}) ::close(fd);
}

INSTANTIATE_TEST_SUITE_P(, unseen_number, ::testing::ValuesIn(origins),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
