// Writing to a FILE whose descriptor is full, by every call, compared with the kernel.

#include <sys/ioctl.h>

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string>

#include "support/oracle_cases.hpp"
#include "support/printing.hpp"

// What fortified programs call instead.
extern "C" int __fprintf_chk(FILE*, int, const char*, ...);
extern "C" int __vfprintf_chk(FILE*, int, const char*, va_list);

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

enum class printer {
    fwrite,
    fwrite_unlocked,
    fputs,
    fputs_unlocked,
    putc,
    putc_unlocked,
    inlined,
    fprintf,
    vfprintf,
    fprintf_chk,
    vfprintf_chk,
    putw
};
constexpr printer all_printers[] = {
    printer::fwrite,   printer::fwrite_unlocked, printer::fputs,        printer::fputs_unlocked,
    printer::putc,     printer::putc_unlocked,   printer::inlined,      printer::fprintf,
    printer::vfprintf, printer::fprintf_chk,     printer::vfprintf_chk, printer::putw};

const char* name_of(printer p) {
    constexpr const char* names[] = {
        "fwrite",  "fwrite_unlocked", "fputs",    "fputs_unlocked", "putc",         "putc_unlocked",
        "inlined", "fprintf",         "vfprintf", "fprintf_chk",    "vfprintf_chk", "putw"};
    return names[static_cast<int>(p)];
}

[[gnu::format(printf, 2, 3)]] int print_v(FILE* to, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int n = ::vfprintf(to, format, arguments);
    va_end(arguments);
    return n;
}

[[gnu::format(printf, 2, 3)]] int print_v_chk(FILE* to, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int n = __vfprintf_chk(to, 1, format, arguments);
    va_end(arguments);
    return n;
}

// The result of the first byte that fails, or of the last.
template <class Put>
long each_byte(const std::string& text, Put put) {
    long result = 0;
    for (const char byte : text)
        if ((result = put(byte)) == EOF) break;
    return result;
}

long print(printer by, FILE* to, const std::string& text) {
    switch (by) {
        case printer::fwrite:
            return static_cast<long>(std::fwrite(text.data(), 1, text.size(), to));
        case printer::fwrite_unlocked:
            return static_cast<long>(::fwrite_unlocked(text.data(), 1, text.size(), to));
        case printer::fputs:
            return std::fputs(text.c_str(), to);
        case printer::fputs_unlocked:
            return ::fputs_unlocked(text.c_str(), to);
        case printer::putc:
            return each_byte(text, [to](char byte) { return std::fputc(byte, to); });
        case printer::putc_unlocked:
            return each_byte(text, [to](char byte) { return (putc_unlocked)(byte, to); });
        case printer::inlined:
            return each_byte(text, [to](char byte) {
                if (to->_IO_write_ptr >= to->_IO_write_end)
                    return __overflow(to, static_cast<unsigned char>(byte));
                return int{static_cast<unsigned char>(*to->_IO_write_ptr++ = byte)};
            });
        case printer::fprintf:
            return std::fprintf(to, "%s", text.c_str());
        case printer::vfprintf:
            return print_v(to, "%s", text.c_str());
        case printer::fprintf_chk:
            return __fprintf_chk(to, 1, "%s", text.c_str());
        case printer::vfprintf_chk:
            return print_v_chk(to, "%s", text.c_str());
        case printer::putw:
            return each_byte(text, [to](char byte) { return ::putw(byte, to); });
    }
    return 0;
}

void call(actor& me, printer by, FILE* to, const std::string& text) {
    me.call(name_of(by), [&] { return print(by, to, text); });
    me.log(std::ferror(to) != 0 ? "with an error" : "without an error");
}

// More than fits, in two calls, then a little that only fflush() and fclose() send.
template <int Buffering>
void waits_for_room(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const out = open_stream(s, e.b, "w", Buffering);
    s.add("writer", [=](actor& me) {
        call(me, by, out, lines(300'000));
        call(me, by, out, lines(200'000));
        call(me, by, out, "a little");
        me.call("fflush", [=] { return std::fflush(out); });
        call(me, by, out, "more");
        close_stream(me, out);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer");
        read_all(me, e.a);
    });
}

// fclose() itself has to wait.
void waits_while_closing(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const out = open_stream(s, e.b, "w", _IOFBF);
    fill(e.b);
    s.add("writer", [=](actor& me) {
        call(me, by, out, "the end");
        close_stream(me, out);
    });
    s.add("reader", [=](actor& me) {
        me.until_blocked("writer", 1);
        std::array<char, 5000> some{};
        std::string last;
        for (ssize_t n; (n = ::read(e.a, some.data(), some.size())) > 0;)
            last = std::string(some.data(), static_cast<std::size_t>(n));
        me.log(last.substr(last.find("the end")));
    });
}

void tells_that_the_reader_is_gone(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const out = open_stream(s, e.b, "w", _IOFBF);
    s.add("writer", [=](actor& me) {
        const int before = broken_pipes();
        me.close(e.a);
        call(me, by, out, "a little");
        me.call("fflush", [=] { return std::fflush(out); });
        call(me, by, out, lines(6'000));
        me.log(std::to_string(broken_pipes() - before) + " signals");
        close_stream(me, out);
    });
}

void tells_that_the_reader_went_meanwhile(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const out = open_stream(s, e.b, "w", _IOLBF);
    broken_pipes();
    s.add("writer", [=](actor& me) {
        print(by, out, lines(1'000'000));
        me.log(std::ferror(out) != 0 ? "with an error" : "without an error");
        close_stream(me, out);
    });
    s.add("reader", [=](actor& me) {
        me.until([&] { return unread(e.a) > 0; });
        me.close(e.a);
    });
}

void gives_up_after_the_timeout(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const out = open_stream(s, e.b, "w", _IOFBF);
    set_timeout(e.b, SO_SNDTIMEO, 20'000);
    fill(e.b);
    s.add("writer", [=](actor& me) {
        me.takes_at_least(20ms, [&] { call(me, by, out, lines(10'000)); });
        me.takes_at_least(20ms, [&] {
            call(me, by, out, "a little");
            me.call("fflush", [=] { return std::fflush(out); });
        });
        me.call("fflush", [=] { return std::fflush(out); });
        close_stream(me, out);
    });
}

void does_not_wait_when_non_blocking(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const out = open_stream(s, e.b, "w", _IOFBF);
    fill(e.b);
    int on = 1;
    ::ioctl(e.b, FIONBIO, &on);
    s.add("writer", [=](actor& me) {
        call(me, by, out, lines(10'000));
        call(me, by, out, "a little");
        me.call("fflush", [=] { return std::fflush(out); });
        close_stream(me, out);
    });
}

// How much has gone out after each call.
template <int Buffering>
void goes_out_when_libc_would_send_it(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const out = open_stream(s, e.b, "w", Buffering);
    s.add("writer", [=](actor& me) {
        for (const std::string& text :
             {std::string("a"), std::string("b\nc"), std::string("\n"), lines(1'000), lines(2'000),
              lines(3'000), std::string("no end"), std::string(4'096, 'x'), lines(9'000),
              std::string("d\ne\nf"), std::string(8'000, 'y'), std::string("g\n")}) {
            call(me, by, out, text);
            me.log(std::to_string(unread(e.a)) + " bytes have gone out");
        }
        close_stream(me, out);
        me.log(std::to_string(unread(e.a)) + " bytes have gone out");
    });
}

void is_refused_by_a_stream_that_is_read(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const in = open_stream(s, e.a, "r", _IOFBF);
    s.add("writer", [=](actor& me) {
        call(me, by, in, "a little");
        close_stream(me, in);
    });
}

void alternates_with_reading(stage& s, channel c, printer by) {
    const ends e = s.open(c);
    FILE* const both = open_stream(s, e.b, "r+", _IOFBF);
    s.add("writer", [=](actor& me) {
        std::array<char, 20> line{};
        call(me, by, both, "question\n");
        me.call("fgets", [&] { return std::fgets(line.data(), line.size(), both) == nullptr; });
        me.log(line.data());
        call(me, by, both, "again\n");
        me.call("fflush", [=] { return std::fflush(both); });
        me.call("fgets", [&] { return std::fgets(line.data(), 3, both) == nullptr; });
        me.log(line.data());
        call(me, by, both, "while something is left\n");
        me.call("fflush", [=] { return std::fflush(both); });
        close_stream(me, both);
    });
    s.add("other", [=](actor& me) {
        me.receive(receiver::recv, e.a, 100);
        me.send(e.a, "answer\n");
        me.receive(receiver::recv, e.a, 100);
        me.send(e.a, "second answer\n");
        read_all(me, e.a);
    });
}

bool any(channel c, printer) { return is_stream(c) || c == channel::pipe; }
bool any_of_one_call(channel c, printer p) {
    return any(c, p) && p != printer::putw && p != printer::putc_unlocked && p != printer::inlined;
}
bool socket_of_one_call(channel c, printer p) { return is_stream(c) && any_of_one_call(c, p); }
// What is printed is less than fits into a pipe.
bool pipe_of_one_byte_each(channel c, printer p) {
    return c == channel::pipe && p != printer::putw;
}
bool local(channel c, printer p) { return any(c, p) && c != channel::tcp; }
bool local_of_one_call(channel c, printer p) { return any_of_one_call(c, p) && c != channel::tcp; }
bool pair_only(channel c, printer p) { return c == channel::pair && any_of_one_call(c, p); }

const oracle_case<printer> cases[] = {
    {"waits_for_room", local, waits_for_room<_IOFBF>},
    {"waits_for_room_line_by_line", local_of_one_call, waits_for_room<_IOLBF>},
    {"waits_for_room_unbuffered", local_of_one_call, waits_for_room<_IONBF>},
    {"waits_while_closing", any_of_one_call, waits_while_closing},
    {"tells_that_the_reader_is_gone", pipe_of_one_byte_each, tells_that_the_reader_is_gone},
    {"tells_that_the_reader_went_meanwhile", local_of_one_call,
     tells_that_the_reader_went_meanwhile},
    {"gives_up_after_the_timeout", socket_of_one_call, gives_up_after_the_timeout},
    {"does_not_wait_when_non_blocking", any_of_one_call, does_not_wait_when_non_blocking},
    {"fills_its_buffer", pipe_of_one_byte_each, goes_out_when_libc_would_send_it<_IOFBF>},
    {"goes_out_line_by_line", pipe_of_one_byte_each, goes_out_when_libc_would_send_it<_IOLBF>},
    {"goes_out_at_once", pipe_of_one_byte_each, goes_out_when_libc_would_send_it<_IONBF>},
    {"is_refused_by_a_stream_that_is_read", any, is_refused_by_a_stream_that_is_read},
    {"alternates_with_reading", pair_only, alternates_with_reading},
};

class printing : public ::testing::TestWithParam<oracle_param<printer>> {};

TEST_P(printing, is_what_the_kernel_does) { compare(GetParam(), all_printers); }

INSTANTIATE_TEST_SUITE_P(, printing, all_params(cases, all_printers), param_name<printer>);

}  // namespace
