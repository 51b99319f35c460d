// Calls that are another's relatives, each seen to park: what is read and written at no place of a
// file, what is read from a FILE up to some end, and what sends first what a FILE has in its
// buffer. Compared with the kernel.

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/oracle_cases.hpp"
#include "support/printing.hpp"
#include "support/standard_input.hpp"

// As they were before C99, whose scanf() other compilers' headers call.
extern "C" int old_vscanf(const char* format, va_list arguments) asm("vscanf");
extern "C" int old_vfscanf(FILE* from, const char* format, va_list arguments) asm("vfscanf");

namespace {

using namespace ramie::test;

template <class Param>
std::string name_of_param(const ::testing::TestParamInfo<Param>& info) {
    return std::string("waits_in_") + info.param.name;
}

// --- descriptors -----------------------------------------------------------------------------

using transfer = ssize_t (*)(int, const iovec*, int, off_t, int);

struct placeless_pair {
    const char* name;
    transfer read;
    transfer write;
};
void PrintTo(const placeless_pair& pair, std::ostream* out) { *out << pair.name; }

constexpr placeless_pair pairs[] = {{"preadv2_and_pwritev2", ::preadv2, ::pwritev2},
                                    {"preadv64v2_and_pwritev64v2", ::preadv64v2, ::pwritev64v2}};

constexpr std::size_t more_than_fits = 16'000'000;

class without_a_place : public ::testing::TestWithParam<placeless_pair> {};

TEST_P(without_a_place, is_what_the_kernel_does) {
    for (const channel c : {channel::tcp, channel::pair, channel::pipe}) {
        SCOPED_TRACE(name_of(c));
        expect_same_as_kernel([&](stage& s) {
            const ends e = s.open(c);
            const placeless_pair by = GetParam();
            s.add("reader", [=](actor& me) {
                std::string text(10, '.');
                const std::array<iovec, 2> parts{{{text.data(), 2}, {text.data() + 2, 8}}};
                me.call("read", [&] { return by.read(e.a, parts.data(), 2, -1, 0); });
                me.log(text);
                me.until_blocked("writer", 1);
                read_all(me, e.a);
            });
            s.add("writer", [=](actor& me) {
                me.until_blocked("reader");
                me.call("send", [&] { return ::write(e.b, "some", 4); });
                me.until_drained(e.a);
                std::string text(more_than_fits, 'm');
                const std::array<iovec, 2> parts{{{text.data(), 1}, {&text[1], text.size() - 1}}};
                me.call("write", [&] { return by.write(e.b, parts.data(), 2, -1, 0); });
                me.close(e.b);
            });
        });
    }
}

INSTANTIATE_TEST_SUITE_P(, without_a_place, ::testing::ValuesIn(pairs),
                         name_of_param<placeless_pair>);

// --- streams that are read -------------------------------------------------------------------

struct read_up_to_an_end {
    const char* name;
    long (*read)(FILE* from, std::string& got);
    bool is_of_standard_input = false;
    const char* text = "42 apples;";  // ends with what ends the call
};
void PrintTo(const read_up_to_an_end& call, std::ostream* out) { *out << call.name; }

template <class Get>
long get_allocated(std::string& got, Get get) {
    char* line = nullptr;
    std::size_t size = 0;
    const ssize_t n = get(&line, &size);
    if (n > 0) got.assign(line, static_cast<std::size_t>(n));
    std::free(line);
    return n;
}

// `scan` takes a format and a va_list.
template <class Scan>
long scan_with(Scan scan, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int n = scan(format, arguments);
    va_end(arguments);
    return n;
}
template <class Scan>
long scan_two(std::string& got, Scan scan) {
    int number = 0;
    std::array<char, 20> word{};
    const long n = scan_with(scan, "%d %9[a-z];", &number, word.data());
    got = std::to_string(number) + " " + word.data();
    return n;
}

constexpr read_up_to_an_end readers[] = {
    {"getdelim",
     [](FILE* in, std::string& got) {
         return get_allocated(
             got, [in](char** to, std::size_t* size) { return ::getdelim(to, size, ';', in); });
     }},
    {"getline",
     [](FILE* in, std::string& got) {
         return get_allocated(
             got, [in](char** to, std::size_t* size) { return ::getline(to, size, in); });
     },
     false, "a line\n"},
    {"vfscanf",
     [](FILE* in, std::string& got) {
         return scan_two(got, [in](const char* f, va_list a) { return std::vfscanf(in, f, a); });
     }},
    {"old_vfscanf",
     [](FILE* in, std::string& got) {
         return scan_two(got, [in](const char* f, va_list a) { return old_vfscanf(in, f, a); });
     }},
    {"vscanf",
     [](FILE*, std::string& got) {
         return scan_two(got, [](const char* f, va_list a) { return std::vscanf(f, a); });
     },
     true},
    {"old_vscanf",
     [](FILE*, std::string& got) {
         return scan_two(got, [](const char* f, va_list a) { return old_vscanf(f, a); });
     },
     true},
    {"getchar", [](FILE*, std::string&) { return long{std::getchar()}; }, true, "x"},
    {"getchar_unlocked", [](FILE*, std::string&) { return long{(::getchar_unlocked)()}; }, true,
     "x"},
};

class reading_up_to_an_end : public ::testing::TestWithParam<read_up_to_an_end> {};

TEST_P(reading_up_to_an_end, is_what_the_kernel_does) {
    expect_same_as_kernel([](stage& s) {
        const read_up_to_an_end call = GetParam();
        const ends e = s.open(channel::pipe);
        s.add("reader", [=, &s](actor& me) {
            const auto read_from = [&](FILE* in) {
                std::string got;
                me.call(call.name, [&] { return call.read(in, got); });
                me.log(got);
            };
            if (call.is_of_standard_input)
                return with_standard_input(e.a, [&] { read_from(stdin); });
            FILE* const in = open_stream(s, e.a, "r", _IOFBF);
            read_from(in);
            close_stream(me, in);
        });
        s.add("writer", [=](actor& me) {
            me.until_blocked("reader");
            for (const char* byte = call.text; *byte != '\0'; ++byte) {
                me.call("write", [=] { return ::write(e.b, byte, 1); });
                me.give_way();
            }
        });
    });
}

INSTANTIATE_TEST_SUITE_P(, reading_up_to_an_end, ::testing::ValuesIn(readers),
                         name_of_param<read_up_to_an_end>);

// --- streams that are moved ------------------------------------------------------------------

struct sends_first {
    const char* name;
    long (*move)(FILE*);
};
void PrintTo(const sends_first& call, std::ostream* out) { *out << call.name; }

constexpr sends_first movers[] = {
    {"fseek", [](FILE* f) { return long{std::fseek(f, 0, SEEK_SET)}; }},
    {"fseeko", [](FILE* f) { return long{::fseeko(f, 0, SEEK_SET)}; }},
    {"fseeko64", [](FILE* f) { return long{::fseeko64(f, 0, SEEK_SET)}; }},
    {"fsetpos",
     [](FILE* f) {
         const fpos_t start{};
         return long{std::fsetpos(f, &start)};
     }},
    {"fsetpos64",
     [](FILE* f) {
         const fpos64_t start{};
         return long{::fsetpos64(f, &start)};
     }},
    {"rewind",
     [](FILE* f) {
         std::rewind(f);
         return 0L;
     }},
    {"setvbuf", [](FILE* f) { return long{std::setvbuf(f, nullptr, _IONBF, 0)}; }},
};

class moving_a_stream : public ::testing::TestWithParam<sends_first> {};

// To where a pipe has no place to go; but what was put before it goes out, when there is room.
TEST_P(moving_a_stream, is_what_the_kernel_does) {
    expect_same_as_kernel([](stage& s) {
        const sends_first call = GetParam();
        const ends e = s.open(channel::pipe);
        FILE* const out = open_stream(s, e.b, "w", _IOFBF);
        fill(e.b);
        s.add("writer", [=](actor& me) {
            std::fputs("what is pending", out);
            me.call(call.name, [=] { return call.move(out); });
            me.log(std::ferror(out) != 0 ? "with an error" : "without an error");
            std::fputs(", and more", out);
            close_stream(me, out);
        });
        s.add("reader", [=](actor& me) {
            me.until_blocked("writer");
            read_all(me, e.a);
        });
    });
}

INSTANTIATE_TEST_SUITE_P(, moving_a_stream, ::testing::ValuesIn(movers),
                         name_of_param<sends_first>);

}  // namespace
