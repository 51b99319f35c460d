// This file is compiled with _FORTIFY_SOURCE: where the compiler knows the room but not the size,
// it calls __recv_chk and the like.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <string>

#include "support/patched_test.hpp"
#include "support/temporary.hpp"

#if !defined(_FORTIFY_SOURCE) || !defined(__OPTIMIZE__)
#error "to be compiled with -O2 -D_FORTIFY_SOURCE=2"
#endif

namespace {

using namespace ramie::test;

struct fortified_call {
    const char* name;
    long (*wait)(int fd, std::size_t size);  // with room for eight bytes, or one pollfd
};
void PrintTo(const fortified_call& c, std::ostream* out) { *out << c.name; }

constexpr std::size_t room = 8;

[[gnu::noinline]] long by_read(int fd, std::size_t size) {
    char bytes[room];
    return ::read(fd, bytes, size);
}
[[gnu::noinline]] long by_recv(int fd, std::size_t size) {
    char bytes[room];
    return ::recv(fd, bytes, size, 0);
}
[[gnu::noinline]] long by_recvfrom(int fd, std::size_t size) {
    char bytes[room];
    return ::recvfrom(fd, bytes, size, 0, nullptr, nullptr);
}
[[gnu::noinline]] long by_ppoll(int fd, std::size_t size) {
    pollfd readable[1] = {{fd, POLLIN, 0}};
    return ::ppoll(readable, size / room, nullptr, nullptr);
}
struct stream {
    explicit stream(int fd, const char* mode = "r") : file(::fdopen(must("dup", ::dup(fd)), mode)) {
        std::setvbuf(file, nullptr, _IONBF, 0);
    }
    ~stream() { std::fclose(file); }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    FILE* const file;
};
[[gnu::noinline]] long by_fgets(int fd, std::size_t size) {
    const stream in(fd);
    char bytes[room];
    return std::fgets(bytes, static_cast<int>(size), in.file) == nullptr ? -1 : 1;
}
[[gnu::noinline]] long by_fgets_unlocked(int fd, std::size_t size) {
    const stream in(fd);
    char bytes[room];
    return ::fgets_unlocked(bytes, static_cast<int>(size), in.file) == nullptr ? -1 : 1;
}
[[gnu::noinline]] long by_fread(int fd, std::size_t size) {
    const stream in(fd);
    char bytes[room];
    return static_cast<long>(std::fread(bytes, 1, size, in.file));
}
[[gnu::noinline]] long by_fread_unlocked(int fd, std::size_t size) {
    const stream in(fd);
    char bytes[room];
    return static_cast<long>(::fread_unlocked(bytes, 1, size, in.file));
}
[[gnu::noinline]] long by_poll(int fd, std::size_t size) {
    pollfd readable[1] = {{fd, POLLIN, 0}};
    return ::poll(readable, size / room, -1);
}

constexpr fortified_call calls[] = {{"read", by_read},
                                    {"recv", by_recv},
                                    {"recvfrom", by_recvfrom},
                                    {"poll", by_poll},
                                    {"ppoll", by_ppoll},
                                    {"fgets", by_fgets},
                                    {"fgets_unlocked", by_fgets_unlocked},
                                    {"fread", by_fread},
                                    {"fread_unlocked", by_fread_unlocked}};

class fortified : public patched_test, public ::testing::WithParamInterface<fortified_call> {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        patched_test::TearDown();
    }
    const ends ends_ = open_channel(channel::tcp);
};

TEST_P(fortified, waits_as_a_fiber) {
    const auto f = ramie::spawn([&] { return GetParam().wait(ends_.a, hidden(room)); });
    let_others_run();
    EXPECT_FALSE(f.ready());
    ASSERT_EQ(::write(ends_.b, "a line\n\n", room), static_cast<long>(room));
    EXPECT_GT(f.get(), 0);
}

TEST_P(fortified, still_stops_an_overflow) {
    if (address_sanitizer) GTEST_SKIP() << "the sanitizer comes first";
    ::testing::GTEST_FLAG(death_test_style) = "fast";
    // fgets() does not mind a size that is too large before it has read too much.
    ASSERT_EQ(::write(ends_.b, "more than there is room for", 27), 27);
    EXPECT_DEATH(GetParam().wait(ends_.a, hidden(2 * room)), "buffer overflow detected");
}

INSTANTIATE_TEST_SUITE_P(, fortified, ::testing::ValuesIn(calls),
                         [](const auto& p) { return std::string(p.param.name); });

// --- text ------------------------------------------------------------------------------------

struct fortified_print {
    const char* name;
    int (*print)(FILE* to, const char* format, ...);
};
void PrintTo(const fortified_print& p, std::ostream* out) { *out << p.name; }

// The standard output is another stream while it lives.
struct standard_output {
    explicit standard_output(FILE* now) { stdout = now; }
    ~standard_output() { stdout = before; }
    standard_output(const standard_output&) = delete;
    standard_output& operator=(const standard_output&) = delete;
    FILE* const before = stdout;
};

#define RAMIE_PRINT(call)    \
    va_list list;            \
    va_start(list, format);  \
    const int result = call; \
    va_end(list);            \
    return result

int by_fprintf(FILE* to, const char*, ...) { return std::fprintf(to, "%d\n", hidden(7)); }
int by_printf(FILE* to, const char*, ...) {
    const standard_output here(to);
    return std::printf("%d\n", hidden(7));
}
int by_dprintf(FILE* to, const char*, ...) { return ::dprintf(::fileno(to), "%d\n", hidden(7)); }
int by_vfprintf(FILE* to, const char* format, ...) { RAMIE_PRINT(std::vfprintf(to, format, list)); }
int by_vprintf(FILE* to, const char* format, ...) {
    const standard_output here(to);
    RAMIE_PRINT(std::vprintf(format, list));
}
int by_vdprintf(FILE* to, const char* format, ...) {
    RAMIE_PRINT(::vdprintf(::fileno(to), format, list));
}

constexpr fortified_print prints[] = {{"fprintf", by_fprintf}, {"printf", by_printf},
                                      {"dprintf", by_dprintf}, {"vfprintf", by_vfprintf},
                                      {"vprintf", by_vprintf}, {"vdprintf", by_vdprintf}};

class fortified_text : public patched_test,
                       public ::testing::WithParamInterface<fortified_print> {};

TEST_P(fortified_text, waits_for_room_as_a_fiber) {
    const ends pipe = open_channel(channel::pipe);
    fill(pipe.b);
    std::string all(1'000'000, '\0');
    {
        const stream out(pipe.b, "w");
        const auto f = ramie::spawn([&] { return GetParam().print(out.file, "%d\n", 7); });
        let_others_run();
        EXPECT_FALSE(f.ready());
        EXPECT_GT(::read(pipe.a, all.data(), all.size()), 0);
        EXPECT_EQ(f.get(), 2);
        char text[room] = {};
        EXPECT_EQ(::read(pipe.a, text, room), 2);
        EXPECT_STREQ(text, "7\n");
    }
    for (const int fd : {pipe.a, pipe.b}) ::close(fd);
}

INSTANTIATE_TEST_SUITE_P(, fortified_text, ::testing::ValuesIn(prints),
                         [](const auto& p) { return std::string(p.param.name); });

// --- files -----------------------------------------------------------------------------------

using fortified_files = patched_test;

TEST_F(fortified_files, wait_for_the_other_end_as_a_fiber) {
    const std::string fifo = temporary_name();
    must("mkfifo", ::mkfifo(fifo.c_str(), 0600));
    for (const bool is_relative : {false, true}) {
        const auto f = ramie::spawn([&] {
            return is_relative ? ::openat(AT_FDCWD, fifo.c_str(), hidden(O_RDONLY))
                               : ::open(fifo.c_str(), hidden(O_RDONLY));
        });
        let_others_run();
        EXPECT_FALSE(f.ready());
        const int writer = must("open", ::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
        const int reader = f.get();
        EXPECT_GE(reader, 0);
        for (const int fd : {reader, writer}) ::close(fd);
    }
    ::unlink(fifo.c_str());
}

TEST_F(fortified_files, are_not_made_without_a_mode) {
    ::testing::GTEST_FLAG(death_test_style) = "fast";
    const std::string name = temporary_name();
    EXPECT_DEATH(::open(name.c_str(), hidden(O_CREAT | O_RDWR)), "without mode");
    EXPECT_DEATH(::openat(AT_FDCWD, name.c_str(), hidden(O_CREAT | O_RDWR)), "without mode");
}

[[gnu::noinline]] long by_pread(int fd, std::size_t size) {
    char bytes[room];
    return ::pread(fd, bytes, size, 0);
}

TEST_F(fortified_files, are_read_into_what_there_is_room_for) {
    const int file = must("open", ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(by_pread(file, hidden(room)), static_cast<long>(room));
    if (!address_sanitizer) {
        ::testing::GTEST_FLAG(death_test_style) = "fast";
        EXPECT_DEATH(by_pread(file, hidden(2 * room)), "buffer overflow detected");
    }
    ::close(file);
}

}  // namespace
