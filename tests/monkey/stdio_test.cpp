// Reading from a FILE whose descriptor makes it wait.

#include <pty.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/patched_test.hpp"
#include "support/standard_input.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;

class streams : public patched_test {
  protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        in_ = ::fdopen(ends[0], "r");
        out_ = ends[1];
    }
    void TearDown() override {
        end();
        std::fclose(in_);
        patched_test::TearDown();
    }
    void put(const std::string& text) const {
        ASSERT_EQ(::write(out_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    void end() {
        if (out_ >= 0) ::close(out_);
        out_ = -1;
    }
    // `f` waits until `text`, a byte at a time, has come.
    template <class F>
    auto fed_slowly(const std::string& text, F f) {
        auto reader = spawn(f);
        let_others_run();
        EXPECT_FALSE(reader.ready());
        for (const char byte : text) {
            put({byte});
            let_others_run();
        }
        return reader.get();
    }
    std::string get_line() {
        std::array<char, 100> line{};
        return std::fgets(line.data(), line.size(), in_) == nullptr ? "(end)" : line.data();
    }

    FILE* in_ = nullptr;
    int out_ = -1;
};

TEST_F(streams, give_characters_lines_and_blocks_as_they_come) {
    EXPECT_EQ(fed_slowly("x", [&] { return std::fgetc(in_); }), 'x');
    EXPECT_EQ(fed_slowly("one\n", [&] { return get_line(); }), "one\n");
    EXPECT_EQ(fed_slowly("two\n",
                         [&] {
                             char* line = nullptr;
                             std::size_t size = 0;
                             const ssize_t n = ::getline(&line, &size, in_);
                             const std::string text(line, static_cast<std::size_t>(n));
                             std::free(line);
                             return text;
                         }),
              "two\n");
    EXPECT_EQ(fed_slowly("abcdef",
                         [&] {
                             std::string block(6, ' ');
                             EXPECT_EQ(std::fread(block.data(), 2, 3, in_), 3U);
                             return block;
                         }),
              "abcdef");
    EXPECT_EQ(fed_slowly("y", [&] { return ::getc_unlocked(in_); }), 'y');
    EXPECT_EQ(fed_slowly("zzzz", [&] { return ::getw(in_); }), 0x7a7a7a7a);
}

TEST_F(streams, tell_the_end_as_libc_does) {
    put("no newline");
    end();
    EXPECT_EQ(get_line(), "no newline");
    EXPECT_EQ(get_line(), "(end)");
    EXPECT_NE(std::feof(in_), 0);
    EXPECT_EQ(std::fgetc(in_), EOF);
    std::array<char, 4> rest{};
    EXPECT_EQ(std::fread(rest.data(), 1, 4, in_), 0U);
    EXPECT_EQ(std::ferror(in_), 0);
}

TEST_F(streams, are_scanned_as_they_come_and_not_too_far) {
    int number = 0;
    std::array<char, 20> word{};
    EXPECT_EQ(fed_slowly("  42 of hundred",
                         [&] { return std::fscanf(in_, "%d of %3s", &number, word.data()); }),
              2);
    EXPECT_EQ(number, 42);
    EXPECT_STREQ(word.data(), "hun");
    put("7x\n");
    EXPECT_EQ(std::fscanf(in_, "dred%d", &number), 1);
    EXPECT_EQ(number, 7);
    EXPECT_EQ(std::fgetc(in_), 'x');
    end();
    EXPECT_EQ(std::fscanf(in_, "%d", &number), EOF);
}

TEST_F(streams, take_back_a_character) {
    put("b");
    EXPECT_EQ(std::fgetc(in_), 'b');
    EXPECT_EQ(std::ungetc('a', in_), 'a');
    put("c\n");
    EXPECT_EQ(get_line(), "ac\n");
}

TEST_F(streams, are_used_by_one_fiber_at_a_time_in_order) {
    std::vector<std::string> lines;
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != 5; ++i) all.push_back(spawn([&] { lines.push_back(get_line()); }));
    let_others_run();
    for (int i = 0; i != 5; ++i)
        for (const char byte : std::string("line ") + std::to_string(i) + "\n") {
            put({byte});
            let_others_run();
        }
    for (const auto& each : all) each.get();
    EXPECT_EQ(lines, (std::vector<std::string>{"line 0\n", "line 1\n", "line 2\n", "line 3\n",
                                               "line 4\n"}));
}

TEST_F(streams, are_held_by_flockfile_across_a_sleep) {
    const ramie::testing::virtual_clock clock;
    put("ab");
    ::flockfile(in_);
    std::string order;
    auto other = spawn([&] {
        EXPECT_NE(::ftrylockfile(in_), 0);
        order += static_cast<char>(std::fgetc(in_));
    });
    order += static_cast<char>(std::fgetc(in_));
    ::usleep(1'000);
    EXPECT_FALSE(other.ready());
    ::funlockfile(in_);
    other.get();
    EXPECT_EQ(order, "ab");
}

TEST_F(streams, let_a_killed_fiber_go) {
    auto victim = spawn([&] {
        EXPECT_EQ(std::fgetc(in_), EOF);
        EXPECT_EQ(errno, ECANCELED);
        EXPECT_NE(std::ferror(in_), 0);
    });
    let_others_run();
    victim.kill();
    {
        const ramie::timeout limit(2ms);
        EXPECT_EQ(std::fgetc(in_), EOF);
        EXPECT_EQ(errno, ETIMEDOUT);
    }
    std::clearerr(in_);
    put("x");
    EXPECT_EQ(std::fgetc(in_), 'x');
}

TEST_F(streams, may_be_sockets_and_terminals) {
    std::array<int, 2> sockets{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()), 0);
    int leader = -1;
    int follower = -1;
    ASSERT_EQ(::openpty(&leader, &follower, nullptr, nullptr, nullptr), 0);
    for (const auto& [reads, writes] :
         {std::pair{sockets[0], sockets[1]}, std::pair{follower, leader}}) {
        FILE* const stream = ::fdopen(reads, "r");
        auto reader = spawn([&] {
            std::array<char, 20> line{};
            EXPECT_NE(std::fgets(line.data(), line.size(), stream), nullptr);
            return std::string(line.data());
        });
        let_others_run();
        EXPECT_FALSE(reader.ready());
        ASSERT_EQ(::write(writes, "hello\n", 6), 6);
        EXPECT_EQ(reader.get(), "hello\n");
        std::fclose(stream);
        ::close(writes);
    }
}

TEST_F(streams, feed_cin_which_shares_with_stdio) {
    with_standard_input(::fileno(in_), [&] {
        const auto word = [] {
            std::string text;
            std::cin >> text;
            return text;
        };
        EXPECT_EQ(fed_slowly("hello ", word), "hello");
        int number = 0;
        auto reader = spawn([&] { EXPECT_EQ(std::scanf("%d", &number), 1); });
        let_others_run();
        EXPECT_FALSE(reader.ready());
        put("12\n");
        reader.get();
        EXPECT_EQ(number, 12);
    });
}

TEST_F(streams, feed_cin_which_does_not_share) {
    std::ios::sync_with_stdio(false);
    with_standard_input(::fileno(in_), [&] {
        EXPECT_EQ(fed_slowly("a line\n",
                             [] {
                                 std::string text;
                                 std::getline(std::cin, text);
                                 return text;
                             }),
                  "a line");
    });
}

}  // namespace
