// The standard streams, terminals and descriptors that are printed to while they are full, compared
// with the kernel; and what fibers that share a FILE see of one another.

#include <pty.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/oracle_cases.hpp"
#include "support/patched_test.hpp"
#include "support/printing.hpp"

// glibc's vdprintf loses the buffer of a descriptor that it cannot attach.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:_IO_file_doallocate"; }
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;

// --- the standard streams --------------------------------------------------------------------

// While it lives, one of them is `fd`.
class redirected {
  public:
    redirected(FILE* stream, int fd) : stream_(stream), kept_(::dup(::fileno(stream))) {
        std::fflush(stream_);
        must("dup2", ::dup2(fd, ::fileno(stream_)));
    }
    ~redirected() {
        std::fflush(stream_);
        std::clearerr(stream_);
        ::dup2(kept_, ::fileno(stream_));
        ::close(kept_);
    }
    redirected(const redirected&) = delete;
    redirected& operator=(const redirected&) = delete;

  private:
    FILE* stream_;
    int kept_;
};

// Prints to a pipe that is full from time to time.
template <class Print>
void fills_a_pipe(stage& s, FILE* stream, Print print) {
    const ends e = s.open(channel::pipe);
    s.add("writer", [=, &s](actor& me) {
        {
            const redirected to(stream, e.b);
            print(me);
        }
        me.close(e.b);
        static_cast<void>(s);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        read_all(me, e.a);
    });
}

void the_standard_output(stage& s) {
    fills_a_pipe(s, stdout, [](actor& me) {
        const std::string text = lines(20'000);
        for (int i = 0; i != 5; ++i) {
            me.call("printf", [&] { return std::printf("%s", text.c_str()); });
            me.call("puts", [&] { return std::puts(text.c_str()); });
            me.call("putchar", [] { return std::putchar('c'); });
            std::cout << text << std::flush;
            me.call("fflush", [] { return std::fflush(stdout); });
            std::fputs(text.c_str(), stdout);
            me.call("fflush", [] { return std::fflush(nullptr); });
        }
    });
}

void the_standard_error_output(stage& s) {
    fills_a_pipe(s, stderr, [](actor& me) {
        me.call("perror", [] {
            for (int i = 0; i != 3'000; ++i) {
                errno = i % 100;
                std::perror(i % 3 == 0 ? nullptr : "a call");
                std::cerr << "an error " << i << '\n';
            }
            return 0;
        });
        me.call("fprintf", [] { return std::fprintf(stderr, "%*d", 80'000, 5); });
    });
}

void a_descriptor(stage& s) {
    const ends e = s.open(channel::pipe);
    s.add("writer", [=](actor& me) {
        me.call("dprintf", [=] { return ::dprintf(e.b, "%*d", 300'000, 7); });
        me.call("dprintf", [=] { return ::dprintf(e.b, "%s", ""); });
        me.call("dprintf", [] { return ::dprintf(900, "x"); });
        me.close(e.b);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        read_all(me, e.a);
    });
}

void a_terminal(stage& s) {
    int leader = -1;
    int follower = -1;
    must("openpty", ::openpty(&leader, &follower, nullptr, nullptr, nullptr));
    s.own(leader);
    FILE* const out = ::fdopen(follower, "w");  // it finds out by itself that lines are wanted
    s.add("writer", [=](actor& me) {
        me.call("fputs", [&] { return std::fputs("first line\nno", out); });
        constexpr int line = 12;  // what ends it are two characters there
        me.until([&] { return unread(leader) >= line; });
        me.log(std::to_string(unread(leader)) + " bytes have gone out");
        const std::string text = lines(40'000);
        me.call("fputs", [&] { return std::fputs(text.c_str(), out); });
        me.call("fputs", [&] { return std::fputs("no line", out); });
        close_stream(me, out);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer", 1);
        read_all(me, leader);
    });
}

// What cannot be made is printed up to the mistake.
void a_bad_character(stage& s) {
    const ends e = s.open(channel::pipe);
    FILE* const out = open_stream(s, e.b, "w", _IOFBF);
    s.add("writer", [=](actor& me) {
        const wchar_t bad[] = {0x7fffffff, 0};
        me.call("fprintf", [&] { return std::fprintf(out, "before %ls after", bad); });
        close_stream(me, out);
        read_all(me, e.a, 1);
    });
}

const named_scenario scenarios[] = {
    {"the_standard_output", the_standard_output},
    {"the_standard_error_output", the_standard_error_output},
    {"a_descriptor", a_descriptor},
    {"a_terminal", a_terminal},
    {"a_bad_character", a_bad_character},
};

class printing_to : public ::testing::TestWithParam<named_scenario> {};

TEST_P(printing_to, is_what_the_kernel_does) { expect_same_as_kernel(GetParam().prepare); }

INSTANTIATE_TEST_SUITE_P(, printing_to, ::testing::ValuesIn(scenarios), scenario_name);

// --- on fibers -------------------------------------------------------------------------------

class full_streams : public patched_test {
  protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        in_ = ends[0];
        out_ = ::fdopen(ends[1], "w");
    }
    void TearDown() override {
        if (out_ != nullptr) std::fclose(out_);
        ::close(in_);
        patched_test::TearDown();
    }
    std::string read(std::size_t size) const {
        std::string text(size, ' ');
        std::size_t got = 0;
        while (got != size) {
            const ssize_t n = ::read(in_, &text[got], size - got);
            if (n <= 0) break;
            got += static_cast<std::size_t>(n);
        }
        text.resize(got);
        return text;
    }

    int in_ = -1;
    FILE* out_ = nullptr;
};

constexpr std::size_t more_than_fits = 200'000;

TEST_F(full_streams, keep_the_texts_of_several_fibers_apart) {
    std::vector<ramie::fiber<>> all;
    for (const char byte : std::string("abc"))
        all.push_back(spawn([this, byte] {
            EXPECT_EQ(std::fprintf(out_, "%s\n", std::string(more_than_fits, byte).c_str()),
                      static_cast<int>(more_than_fits) + 1);
            std::fflush(out_);
        }));
    let_others_run();
    for (const char byte : std::string("abc"))
        EXPECT_EQ(read(more_than_fits + (byte == 'c' ? 0 : 1)),
                  std::string(more_than_fits, byte) + (byte == 'c' ? "" : "\n"));
    for (const auto& each : all) each.get();
}

TEST_F(full_streams, keep_what_others_have_put_when_a_fiber_is_killed) {
    fill(::fileno(out_));
    const std::size_t filled = static_cast<std::size_t>(unread(in_));
    std::fputs("of another fiber, ", out_);
    auto victim = spawn([this] {
        EXPECT_EQ(std::fflush(out_), EOF);
        EXPECT_EQ(errno, ECANCELED);
        EXPECT_NE(std::ferror(out_), 0);
    });
    let_others_run();
    EXPECT_FALSE(victim.ready());
    victim.kill();
    {
        const ramie::timeout limit(2ms);
        EXPECT_EQ(std::fflush(out_), EOF);
        EXPECT_EQ(errno, ETIMEDOUT);
    }
    std::clearerr(out_);
    std::fputs("not lost", out_);
    read(filled);
    EXPECT_EQ(std::fflush(out_), 0);
    EXPECT_EQ(read(26), "of another fiber, not lost");
}

TEST_F(full_streams, are_closed_by_a_killed_fiber_without_waiting) {
    fill(::fileno(out_));
    auto victim = spawn([this] {
        std::fputs("lost", out_);
        EXPECT_EQ(std::fclose(out_), EOF);
        EXPECT_EQ(errno, ECANCELED);
        out_ = nullptr;
    });
    let_others_run();
    EXPECT_FALSE(victim.ready());
    victim.kill();
    EXPECT_EQ(out_, nullptr);
}

TEST_F(full_streams, are_flushed_together_by_who_flushes_all) {
    std::array<int, 2> second{};
    ASSERT_EQ(::pipe(second.data()), 0);
    FILE* const other = ::fdopen(second[1], "w");
    for (FILE* const each : {out_, other}) {
        fill(::fileno(each));
        std::fputs("x", each);
    }
    auto flusher = spawn([] { EXPECT_EQ(std::fflush(nullptr), 0); });
    let_others_run();
    for (const int fd : {in_, second[0]}) {
        EXPECT_FALSE(flusher.ready());
        std::string text(static_cast<std::size_t>(unread(fd)), ' ');
        ASSERT_EQ(::read(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        for (int i = 0; i != 3; ++i) let_others_run();
    }
    flusher.get();
    EXPECT_EQ(read(1), "x");
    std::fclose(other);
    ::close(second[0]);
}

}  // namespace
