// A descriptor that is closed while a fiber waits for it in a call, by whom and to become what.
// Among threads the kernel leaves such a call waiting; docs/patching.md promises fibers an end with
// EBADF.

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/patched_test.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;

using closing = patched_test;

class closed_by_another : public closing, public ::testing::WithParamInterface<waiting_call> {
  protected:
    void SetUp() override { ASSERT_GE(site_.fd, 0); }
    void TearDown() override {
        site_.close();
        closing::TearDown();
    }

    // A fiber that is in the middle of the call.
    ramie::fiber<int> parked() const {
        auto waiting = ramie::spawn([this] { return outcome_of(GetParam(), site_); });
        let_others_run();
        EXPECT_FALSE(waiting.ready());
        return waiting;
    }
    // Who may hand the number on.
    void close_it() {
        std::erase(site_.owned, site_.fd);
        EXPECT_EQ(::close(site_.fd), 0);
    }
    // poll() and ppoll() report it in the answer, and end as if it were news.
    static int expected() {
        const bool by_answer = std::string_view(GetParam().name).ends_with("poll");
        return by_answer ? 0 : EBADF;
    }

    site site_{GetParam()};
};

TEST_P(closed_by_another, fiber_ends_the_call) {
    const auto waiting = parked();
    close_it();
    EXPECT_EQ(waiting.get(), expected());
}

// Without those that have no descriptor to close: they wait for the other side of a name, for a
// child, a post, or the time.
std::vector<waiting_call> calls_with_a_descriptor() {
    static constexpr std::string_view others[] = {"open_of_a_fifo_to_read",
                                                  "open_of_a_fifo_to_write",
                                                  "waitpid",
                                                  "wait_for_any_child",
                                                  "sem_wait",
                                                  "usleep",
                                                  "nanosleep"};
    std::vector<waiting_call> all;
    std::ranges::copy_if(waiting_calls(), std::back_inserter(all), [](const waiting_call& each) {
        return std::ranges::find(others, each.name) == std::end(others);
    });
    return all;
}

INSTANTIATE_TEST_SUITE_P(, closed_by_another, ::testing::ValuesIn(calls_with_a_descriptor()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

class closed_by_a_thread : public closed_by_another {};

TEST_P(closed_by_a_thread, it_ends_the_call) {
    const auto waiting = parked();
    std::thread([this] { close_it(); }).join();
    EXPECT_EQ(waiting.get(), expected());
}

INSTANTIATE_TEST_SUITE_P(, closed_by_a_thread, ::testing::ValuesIn(calls_with_a_descriptor()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

// --- the number is another file's ------------------------------------------------------------

class number_given_out_again : public closed_by_another {
  protected:
    // The number is another file's by the time that the fiber runs again, and that one is ready for
    // whatever the call wants.
    template <class Renumber>
    void expect_untouched_when(Renumber give_to) {
        const auto waiting = parked();
        const ends fresh = open_channel(channel::pair);
        ASSERT_EQ(::send(fresh.b, "keep", 4, 0), 4);
        give_to(fresh.a);
        EXPECT_EQ(waiting.get(), expected());
        EXPECT_EQ(bytes_waiting_at(fresh.a), "keep");
        EXPECT_EQ(bytes_waiting_at(fresh.b), "");
        for (const int fd : {site_.fd, fresh.a, fresh.b}) ::close(fd);
    }
    static std::string bytes_waiting_at(int fd) {
        char bytes[10] = {};
        const ssize_t n = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        return n < 0 ? "" : std::string(bytes, static_cast<std::size_t>(n));
    }
};

TEST_P(number_given_out_again, is_left_alone_by_the_old_call) {
    expect_untouched_when([this](int fresh) {
        close_it();
        EXPECT_EQ(::fcntl(fresh, F_DUPFD_CLOEXEC, site_.fd), site_.fd);
    });
}

TEST_P(number_given_out_again, is_left_alone_when_dup2_takes_it_over) {
    expect_untouched_when([this](int fresh) {
        std::erase(site_.owned, site_.fd);
        EXPECT_EQ(::dup2(fresh, site_.fd), site_.fd);
    });
}

// What poll() says is looked at below.
std::vector<waiting_call> calls_but_poll() {
    auto all = calls_with_a_descriptor();
    std::erase_if(all, [](const waiting_call& each) {
        return std::string_view(each.name).ends_with("poll");
    });
    return all;
}

INSTANTIATE_TEST_SUITE_P(, number_given_out_again, ::testing::ValuesIn(calls_but_poll()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

// --- a long write ----------------------------------------------------------------------------

class closed_in_a_write : public closing, public ::testing::WithParamInterface<channel> {
  protected:
    struct outcome {
        ssize_t result;
        int error;
    };
    // Of 8 MB, when the number is another's before the fiber runs again; nothing arrives there.
    static outcome of_writing(const ends& old) {
        const auto writing = ramie::spawn([fd = old.b] {
            const std::string much(8'000'000, 'x');
            const ssize_t n = ::write(fd, much.data(), much.size());
            return outcome{n, errno};
        });
        let_others_run();
        EXPECT_FALSE(writing.ready());
        const ends fresh = open_channel(channel::pair);
        EXPECT_EQ(::close(old.b), 0);
        EXPECT_EQ(::fcntl(fresh.b, F_DUPFD_CLOEXEC, old.b), old.b);
        const outcome seen = writing.get();
        pollfd news{fresh.a, POLLIN, 0};
        EXPECT_EQ(::poll(&news, 1, 0), 0);
        for (const int fd : {old.b, fresh.a, fresh.b}) ::close(fd);
        return seen;
    }
    static ssize_t bytes_until_the_end(int fd) {
        static char piece[65536];
        ssize_t all = 0;
        while (const int n = must("read", ::read(fd, piece, sizeof piece))) all += n;
        return all;
    }
};

TEST_P(closed_in_a_write, that_has_moved_nothing_it_is_bad) {
    const ends old = open_channel(GetParam());
    fill(old.b);
    const outcome seen = of_writing(old);
    EXPECT_EQ(seen.result, -1);
    EXPECT_EQ(seen.error, EBADF);
    ::close(old.a);
}

TEST_P(closed_in_a_write, that_has_moved_some_those_are_told_and_arrive) {
    const ends old = open_channel(GetParam());
    const outcome seen = of_writing(old);
    EXPECT_GT(seen.result, 0);
    EXPECT_EQ(bytes_until_the_end(old.a), seen.result);
    ::close(old.a);
}

INSTANTIATE_TEST_SUITE_P(, closed_in_a_write,
                         ::testing::Values(channel::tcp, channel::pair, channel::pipe),
                         channel_name<::testing::TestParamInfo<channel>>);

// --- what poll() says ------------------------------------------------------------------------

// As if it had been asked after the close.
TEST_F(closing, one_of_many_is_named_by_poll) {
    const ends closed = open_channel(channel::pipe);
    const ends open = open_channel(channel::tcp);
    for (const bool by_ppoll : {false, true}) {
        const int fd = must("dup", ::dup(closed.a));
        const auto polling = ramie::spawn([&] {
            pollfd fds[] = {{open.a, POLLIN, 0}, {-1, POLLIN, 0}, {fd, POLLIN, 0}};
            EXPECT_EQ(by_ppoll ? ::ppoll(fds, 3, nullptr, nullptr) : ::poll(fds, 3, -1), 1);
            EXPECT_EQ(fds[0].revents, 0);
            EXPECT_EQ(fds[1].revents, 0);
            EXPECT_EQ(fds[2].revents, POLLNVAL);
        });
        let_others_run();
        EXPECT_FALSE(polling.ready());
        EXPECT_EQ(::close(fd), 0);
        polling.get();
    }
    for (const int fd : {closed.a, closed.b, open.a, open.b}) ::close(fd);
}

// Whoever has the number now is ready: that is not what was asked for. Whether the call fails or
// names the number as bad is left open.
TEST_F(closing, one_that_was_given_out_again_is_not_taken_for_the_old_by_poll) {
    const ends old = open_channel(channel::pipe);
    const ends fresh = open_channel(channel::pipe);
    for (const bool by_ppoll : {false, true}) {
        const int fd = must("dup", ::dup(old.a));
        const auto polling = ramie::spawn([&] {
            pollfd asked{fd, POLLIN, 0};
            const int n = by_ppoll ? ::ppoll(&asked, 1, nullptr, nullptr) : ::poll(&asked, 1, -1);
            return n < 0 ? errno : asked.revents == POLLNVAL ? EBADF : 0;
        });
        let_others_run();
        EXPECT_FALSE(polling.ready());
        EXPECT_EQ(::close(fd), 0);
        EXPECT_EQ(::fcntl(fresh.a, F_DUPFD_CLOEXEC, fd), fd);
        EXPECT_EQ(::write(fresh.b, "x", 1), 1);
        EXPECT_EQ(polling.get(), EBADF);
        ::close(fd);
    }
    for (const int fd : {old.a, old.b, fresh.a, fresh.b}) ::close(fd);
}

}  // namespace
