// The libc names of writing to a FILE, but for those of printf().

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "stream_output.hpp"

namespace ramie::monkey::detail {

namespace {

int put_byte(int byte, FILE* stream) noexcept {
    const char one = static_cast<char>(byte);
    const put_result result = put(stream, {&one, 1});
    return result.taken == 1 && result.is_flushed ? static_cast<unsigned char>(one) : EOF;
}

int put_text(std::string_view text, FILE* stream) noexcept {
    const put_result result = put(stream, text);
    return result.taken == text.size() && result.is_flushed ? 1 : EOF;
}

// What is in the buffer counts as written, also when it should have gone out.
std::size_t put_items(const void* items, std::size_t size, std::size_t count,
                      FILE* stream) noexcept {
    const put_result result = put(stream, {static_cast<const char*>(items), size * count});
    return result.taken / size;
}

int put_line(const char* text) noexcept {
    const std::size_t size = std::strlen(text);
    if (put_text({text, size}, stdout) == EOF || put_byte('\n', stdout) == EOF) return EOF;
    return static_cast<int>(std::min<std::size_t>(INT_MAX, size + 1));
}

// A call that flushes before it does its own work.
template <class Plain>
auto after_draining(FILE* stream, Plain plain) -> decltype(plain()) {
    if (!drain_in_turn(stream)) return EOF;
    return plain();
}

}  // namespace

// Names whose declarations, which vary with the compiler's options, are in the way.
#define RAMIE_AS(name) asm(name)
extern "C" {
int ramie_fputc(int, FILE*) RAMIE_AS("fputc");
int ramie_putc(int, FILE*) RAMIE_AS("putc");
int ramie_io_putc(int, FILE*) RAMIE_AS("_IO_putc");
int ramie_putchar(int) RAMIE_AS("putchar");
int ramie_fputc_unlocked(int, FILE*) RAMIE_AS("fputc_unlocked");
int ramie_putc_unlocked(int, FILE*) RAMIE_AS("putc_unlocked");
int ramie_putchar_unlocked(int) RAMIE_AS("putchar_unlocked");
int ramie_overflow(FILE*, int) RAMIE_AS("__overflow");
int ramie_putw(int, FILE*) RAMIE_AS("putw");
int ramie_fputs(const char*, FILE*) RAMIE_AS("fputs");
int ramie_fputs_unlocked(const char*, FILE*) RAMIE_AS("fputs_unlocked");
int ramie_puts(const char*) RAMIE_AS("puts");
std::size_t ramie_fwrite(const void*, std::size_t, std::size_t, FILE*) RAMIE_AS("fwrite");
std::size_t ramie_fwrite_unlocked(const void*, std::size_t, std::size_t, FILE*)
    RAMIE_AS("fwrite_unlocked");
int ramie_fflush(FILE*) RAMIE_AS("fflush");
int ramie_fflush_unlocked(FILE*) RAMIE_AS("fflush_unlocked");
int ramie_fseek(FILE*, long, int) RAMIE_AS("fseek");
int ramie_fseeko(FILE*, off_t, int) RAMIE_AS("fseeko");
int ramie_fseeko64(FILE*, off_t, int) RAMIE_AS("fseeko64");
int ramie_fsetpos(FILE*, const fpos_t*) RAMIE_AS("fsetpos");
int ramie_fsetpos64(FILE*, const fpos_t*) RAMIE_AS("fsetpos64");
void ramie_rewind(FILE*) RAMIE_AS("rewind");
int ramie_setvbuf(FILE*, char*, int, std::size_t) RAMIE_AS("setvbuf");
}
#undef RAMIE_AS

int ramie_fputc(int byte, FILE* f) {
    return write_stream(
        f, 1, [=] { return put_byte(byte, f); }, [=] { return real::fputc(byte, f); });
}
int ramie_putc(int byte, FILE* f) { return ramie_fputc(byte, f); }
int ramie_io_putc(int byte, FILE* f) { return ramie_fputc(byte, f); }
int ramie_putchar(int byte) { return ramie_fputc(byte, stdout); }

int ramie_fputc_unlocked(int byte, FILE* f) {
    const auto plain = [=] { return real::putc_unlocked(byte, f); };
    if (!is_patched(f)) return plain();
    return write_unlocked(
        f, 1, [=] { return put_byte(byte, f); }, plain);
}
int ramie_putc_unlocked(int byte, FILE* f) { return ramie_fputc_unlocked(byte, f); }
int ramie_putchar_unlocked(int byte) { return ramie_fputc_unlocked(byte, stdout); }

// What putc_unlocked() as a macro calls when the buffer is full.
int ramie_overflow(FILE* f, int byte) {
    const auto plain = [=] { return real::__overflow(f, byte); };
    if (!is_patched(f)) return plain();
    return write_unlocked(
        f, 1, [=] { return byte == EOF ? (drain(f) ? 0 : EOF) : put_byte(byte, f); }, plain);
}

int ramie_putw(int word, FILE* f) {
    return write_stream(
        f, sizeof word, [=] { return put_items(&word, sizeof word, 1, f) == 1 ? 0 : EOF; },
        [=] { return real::putw(word, f); });
}

int ramie_fputs(const char* text, FILE* f) {
    if (!is_patched(f)) return real::fputs(text, f);
    const std::size_t size = std::strlen(text);
    return write_stream(
        f, size,
        [=] {
            return put_text({text, size}, f);
        },
        [=] { return real::fputs(text, f); });
}
int ramie_fputs_unlocked(const char* text, FILE* f) {
    const auto plain = [=] { return real::fputs_unlocked(text, f); };
    if (!is_patched(f)) return plain();
    const std::size_t size = std::strlen(text);
    return write_unlocked(
        f, size,
        [=] {
            return put_text({text, size}, f);
        },
        plain);
}
int ramie_puts(const char* text) {
    if (!is_patched(stdout)) return real::puts(text);
    return write_stream(
        stdout, std::strlen(text) + 1, [=] { return put_line(text); },
        [=] { return real::puts(text); });
}

std::size_t ramie_fwrite(const void* items, std::size_t size, std::size_t count, FILE* f) {
    const auto plain = [=] { return real::fwrite(items, size, count, f); };
    if (size * count == 0) return plain();
    return write_stream(
        f, size * count, [=] { return put_items(items, size, count, f); }, plain);
}
std::size_t ramie_fwrite_unlocked(const void* items, std::size_t size, std::size_t count, FILE* f) {
    const auto plain = [=] { return real::fwrite_unlocked(items, size, count, f); };
    if (size * count == 0 || !is_patched(f)) return plain();
    return write_unlocked(
        f, size * count, [=] { return put_items(items, size, count, f); }, plain);
}

int ramie_fflush(FILE* f) {
    return after_draining(f, [=] { return real::fflush(f); });
}
int ramie_fflush_unlocked(FILE* f) {
    return after_draining(f, [=] { return real::fflush_unlocked(f); });
}
int ramie_fseek(FILE* f, long offset, int from) {
    return after_draining(f, [=] { return real::fseek(f, offset, from); });
}
int ramie_fseeko(FILE* f, off_t offset, int from) {
    return after_draining(f, [=] { return real::fseeko(f, offset, from); });
}
int ramie_fseeko64(FILE* f, off_t offset, int from) { return ramie_fseeko(f, offset, from); }
int ramie_fsetpos(FILE* f, const fpos_t* position) {
    return after_draining(f, [=] { return real::fsetpos(f, position); });
}
int ramie_fsetpos64(FILE* f, const fpos_t* position) { return ramie_fsetpos(f, position); }
void ramie_rewind(FILE* f) {
    if (drain_in_turn(f)) real::rewind(f);
}
int ramie_setvbuf(FILE* f, char* buffer, int mode, std::size_t size) {
    return after_draining(f, [=] { return real::setvbuf(f, buffer, mode, size); });
}

// The same by libc's old names.
extern "C" {
[[gnu::alias("fputs")]] int _IO_fputs(const char* text, FILE* f);
[[gnu::alias("puts")]] int _IO_puts(const char* text);
[[gnu::alias("fwrite")]] std::size_t _IO_fwrite(const void* items, std::size_t size,
                                                std::size_t count, FILE* f);
[[gnu::alias("fflush")]] int _IO_fflush(FILE* f);
[[gnu::alias("fsetpos")]] int _IO_fsetpos(FILE* f, const fpos_t* position);
[[gnu::alias("fsetpos")]] int _IO_fsetpos64(FILE* f, const fpos_t* position);
[[gnu::alias("setvbuf")]] int _IO_setvbuf(FILE* f, char* buffer, int mode, std::size_t size);
}

}  // namespace ramie::monkey::detail
