// The libc names of writing formatted text to a FILE or a descriptor. It is formatted in memory
// first, because libc would write from the middle of it.

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "stream_output.hpp"

namespace ramie::monkey::detail {

namespace {

// What a format and its arguments make. `checks` as the fortified calls have it, or 0.
class formatted {
  public:
    formatted(int checks, const char* format, va_list arguments) noexcept {
        va_list again;
        va_copy(again, arguments);
        size_ =
            real::__vsnprintf_chk(short_, sizeof short_, checks, sizeof short_, format, arguments);
        if (size_ >= static_cast<int>(sizeof short_)) make_long(checks, format, again);
        va_end(again);
    }
    ~formatted() { std::free(long_); }
    formatted(const formatted&) = delete;
    formatted& operator=(const formatted&) = delete;

    [[nodiscard]] bool is_valid() const noexcept { return size_ >= 0; }
    [[nodiscard]] int size() const noexcept { return size_; }
    [[nodiscard]] std::string_view text() const noexcept {
        return {long_ != nullptr ? long_ : short_, static_cast<std::size_t>(size_)};
    }

  private:
    void make_long(int checks, const char* format, va_list arguments) noexcept {
        const std::size_t room = static_cast<std::size_t>(size_) + 1;
        long_ = static_cast<char*>(std::malloc(room));
        size_ = long_ == nullptr
                    ? -1
                    : real::__vsnprintf_chk(long_, room, checks, room, format, arguments);
    }

    char short_[512];
    char* long_ = nullptr;
    int size_;
};

// A second look at the arguments.
struct argument_list {
    explicit argument_list(va_list from) noexcept { va_copy(list, from); }
    ~argument_list() { va_end(list); }
    argument_list(const argument_list&) = delete;
    argument_list& operator=(const argument_list&) = delete;
    va_list list;
};

// Not noexcept, like those that call it: a plain thread that is cancelled leaves from within.
int print_plain(FILE* stream, int checks, const char* format, va_list arguments) {
    return checks == 0 ? real::vfprintf(stream, format, arguments)
                       : real::__vfprintf_chk(stream, checks, format, arguments);
}

// What there is room for needs no question. Text that cannot be made is left to libc, which prints
// what comes before the mistake.
int print_in_turn(FILE* stream, int checks, const char* format, va_list arguments) {
    const stream_turn turn(stream);
    argument_list again(arguments);
    const formatted made(checks, format, arguments);
    if (made.is_valid()) {
        const std::string_view text = made.text();
        if (has_room(stream, text.size())) {
            real::fwrite_unlocked(text.data(), 1, text.size(), stream);
            return made.size();
        }
        if (may_wait(stream) && can_be_put_to(stream)) {
            const put_result result = put(stream, text);
            return result.taken == text.size() && result.is_flushed ? made.size() : -1;
        }
    }
    return print_plain(stream, checks, format, again.list);
}

int print(FILE* stream, int checks, const char* format, va_list arguments) {
    return is_patched(stream) && (is_kind_that_waits(stream) || is_in_use(stream))
               ? print_in_turn(stream, checks, format, arguments)
               : print_plain(stream, checks, format, arguments);
}

bool write_all(int fd, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

int print_to_descriptor(int fd, int checks, const char* format, va_list arguments) {
    argument_list again(arguments);
    if (on_fiber(family::stdio) && is_on(family::socket)) {
        const formatted made(checks, format, arguments);
        if (made.is_valid()) return write_all(fd, made.text()) ? made.size() : -1;
    }
    return checks == 0 ? real::vdprintf(fd, format, again.list)
                       : real::__vdprintf_chk(fd, checks, format, again.list);
}

// Like libc's, it does not decide whether the standard error output is wide.
void print_error(const char* prefix) noexcept {
    char unknown[64];
    const char* const text = strerror_r(errno, unknown, sizeof unknown);
    const bool has_prefix = prefix != nullptr && *prefix != '\0';
    const char* const format = has_prefix ? "%s: %s\n" : "%s%s\n";
    if (!has_prefix) prefix = "";
    if (fwide(stderr, 0) == 0)
        dprintf(fileno(stderr), format, prefix, text);
    else
        fprintf(stderr, format, prefix, text);
}

}  // namespace

// Names whose declarations, which vary with the compiler's options, are in the way.
#define RAMIE_AS(name) asm(name)
extern "C" {
int ramie_vfprintf(FILE*, const char*, va_list) RAMIE_AS("vfprintf");
int ramie_vprintf(const char*, va_list) RAMIE_AS("vprintf");
int ramie_fprintf(FILE*, const char*, ...) RAMIE_AS("fprintf");
int ramie_printf(const char*, ...) RAMIE_AS("printf");
int ramie_vdprintf(int, const char*, va_list) RAMIE_AS("vdprintf");
int ramie_dprintf(int, const char*, ...) RAMIE_AS("dprintf");
int ramie_vfprintf_chk(FILE*, int, const char*, va_list) RAMIE_AS("__vfprintf_chk");
int ramie_vprintf_chk(int, const char*, va_list) RAMIE_AS("__vprintf_chk");
int ramie_fprintf_chk(FILE*, int, const char*, ...) RAMIE_AS("__fprintf_chk");
int ramie_printf_chk(int, const char*, ...) RAMIE_AS("__printf_chk");
int ramie_vdprintf_chk(int, int, const char*, va_list) RAMIE_AS("__vdprintf_chk");
int ramie_dprintf_chk(int, int, const char*, ...) RAMIE_AS("__dprintf_chk");
void ramie_perror(const char*) RAMIE_AS("perror");
}
#undef RAMIE_AS

// The arguments after `format`, for one of the calls above.
#define RAMIE_WITH_ARGUMENTS(call) \
    va_list arguments;             \
    va_start(arguments, format);   \
    const int result = call;       \
    va_end(arguments);             \
    return result

int ramie_vfprintf(FILE* f, const char* format, va_list arguments) {
    return print(f, 0, format, arguments);
}
int ramie_vprintf(const char* format, va_list arguments) {
    return print(stdout, 0, format, arguments);
}
int ramie_fprintf(FILE* f, const char* format, ...) {
    RAMIE_WITH_ARGUMENTS(print(f, 0, format, arguments));
}
int ramie_printf(const char* format, ...) {
    RAMIE_WITH_ARGUMENTS(print(stdout, 0, format, arguments));
}
int ramie_vdprintf(int fd, const char* format, va_list arguments) {
    return print_to_descriptor(fd, 0, format, arguments);
}
int ramie_dprintf(int fd, const char* format, ...) {
    RAMIE_WITH_ARGUMENTS(print_to_descriptor(fd, 0, format, arguments));
}

int ramie_vfprintf_chk(FILE* f, int checks, const char* format, va_list arguments) {
    return print(f, checks, format, arguments);
}
int ramie_vprintf_chk(int checks, const char* format, va_list arguments) {
    return print(stdout, checks, format, arguments);
}
int ramie_fprintf_chk(FILE* f, int checks, const char* format, ...) {
    RAMIE_WITH_ARGUMENTS(print(f, checks, format, arguments));
}
int ramie_printf_chk(int checks, const char* format, ...) {
    RAMIE_WITH_ARGUMENTS(print(stdout, checks, format, arguments));
}
int ramie_vdprintf_chk(int fd, int checks, const char* format, va_list arguments) {
    return print_to_descriptor(fd, checks, format, arguments);
}
int ramie_dprintf_chk(int fd, int checks, const char* format, ...) {
    RAMIE_WITH_ARGUMENTS(print_to_descriptor(fd, checks, format, arguments));
}
#undef RAMIE_WITH_ARGUMENTS

// The same by libc's old names.
extern "C" {
[[gnu::alias("printf")]] int _IO_printf(const char* format, ...);
[[gnu::alias("fprintf")]] int _IO_fprintf(FILE* f, const char* format, ...);
[[gnu::alias("vfprintf")]] int _IO_vfprintf(FILE* f, const char* format, va_list arguments);
}

void ramie_perror(const char* prefix) {
    if (on_fiber(family::stdio) && is_on(family::socket))
        print_error(prefix);
    else
        real::perror(prefix);
}

}  // namespace ramie::monkey::detail
