// select and pselect of more numbers than a set has room for: on a fiber they are refused, before a
// byte of the sets or of what lies behind them is read or written.

#include <sys/select.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

// Three sets of a caller, each with bytes behind it that are no part of it.
class select_limit : public patched_test {
  protected:
    static constexpr unsigned char mark = 0xa5;
    struct guarded_set {
        fd_set set;
        std::array<unsigned char, 64> behind;
    };

    int select(int count) {
        timeval none{0, 0};
        return ::select(count, &sets_[0].set, &sets_[1].set, &sets_[2].set, &none);
    }
    int pselect(int count) {
        const timespec none{0, 0};
        return ::pselect(count, &sets_[0].set, &sets_[1].set, &sets_[2].set, &none, nullptr);
    }
    // With every bit that the kernel would see taken: it would answer EBADF, or clear them.
    void mark_all() { std::memset(sets_.data(), mark, sizeof sets_); }
    [[nodiscard]] bool is_untouched() const {
        std::array<unsigned char, sizeof sets_> bytes{};
        std::memcpy(bytes.data(), sets_.data(), sizeof sets_);
        return std::ranges::all_of(bytes, [](unsigned char each) { return each == mark; });
    }
    void ask_for_nothing() {
        mark_all();
        for (guarded_set& each : sets_) FD_ZERO(&each.set);
    }
    void expect_that_none_is_ready() {
        for (const guarded_set& each : sets_) {
            for (int fd = 0; fd != FD_SETSIZE; ++fd) EXPECT_FALSE(FD_ISSET(fd, &each.set)) << fd;
            for (const unsigned char byte : each.behind) EXPECT_EQ(byte, mark);
        }
    }

    std::array<guarded_set, 3> sets_;
};

constexpr int too_many[] = {FD_SETSIZE + 1, 2 * FD_SETSIZE, std::numeric_limits<int>::max()};

TEST_F(select_limit, is_kept_by_select) {
    for (const int count : too_many) {
        mark_all();
        EXPECT_EQ(select(hidden(count)), -1);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_TRUE(is_untouched());
    }
}

TEST_F(select_limit, is_kept_by_pselect) {
    for (const int count : too_many) {
        mark_all();
        EXPECT_EQ(pselect(hidden(count)), -1);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_TRUE(is_untouched());
    }
}

// Without sets there is nothing to run over, but the number is as wrong.
TEST_F(select_limit, is_kept_without_sets) {
    timeval none{0, 0};
    EXPECT_EQ(::select(FD_SETSIZE + 1, nullptr, nullptr, nullptr, &none), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(select_limit, may_be_reached) {
    ask_for_nothing();
    EXPECT_EQ(select(FD_SETSIZE), 0);
    expect_that_none_is_ready();
    ask_for_nothing();
    EXPECT_EQ(pselect(FD_SETSIZE), 0);
    expect_that_none_is_ready();
}

// A fiber that waits for the highest numbers that fit, and is not let to write behind its sets.
TEST_F(select_limit, may_be_waited_at) {
    const ends e = open_channel(channel::pipe);
    constexpr int highest = FD_SETSIZE - 1;
    if (::dup2(e.a, highest) < 0) GTEST_SKIP() << "so high a number is not permitted";
    ask_for_nothing();
    FD_SET(highest, &sets_[0].set);
    const auto waiting = ramie::spawn([this] {
        return ::select(FD_SETSIZE, &sets_[0].set, &sets_[1].set, &sets_[2].set, nullptr);
    });
    let_others_run();
    EXPECT_FALSE(waiting.ready());
    EXPECT_EQ(::write(e.b, "x", 1), 1);
    EXPECT_EQ(waiting.get(), 1);
    EXPECT_TRUE(FD_ISSET(highest, &sets_[0].set));
    FD_CLR(highest, &sets_[0].set);
    expect_that_none_is_ready();
    for (const int fd : {highest, e.a, e.b}) ::close(fd);
}

}  // namespace
