// The libc names of reading from a FILE.

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "stream.hpp"

namespace ramie::monkey::detail {

namespace {

// What all do: `on_fiber_way` when the stream may wait, in turn with the other fibers that use it.
// A plain thread that is cancelled leaves by the plain call.
template <class OnFiber, class Plain>
auto read_stream(FILE* stream, OnFiber on_fiber_way, Plain plain) -> decltype(plain()) {
    if (!is_patched(stream)) return plain();
    const bool waits = may_wait(stream);
    if (!waits && !is_in_use(stream)) return plain();
    const stream_turn turn(stream);
    return waits ? on_fiber_way() : plain();
}

// Without the lock, as the caller has asked for.
template <class OnFiber, class Plain>
auto read_unlocked(FILE* stream, OnFiber on_fiber_way, Plain plain) -> decltype(plain()) {
    return is_patched(stream) && may_wait(stream) ? on_fiber_way() : plain();
}

// Moves up to `most` bytes from the buffer, up to and with `stop` (unless -1). At least one, if
// there is one, else 0. `found` tells that `stop` was the last.
std::size_t take(FILE* stream, char* to, std::size_t most, int stop, bool& found) noexcept {
    found = false;
    if (buffered(stream) == 0) {
        const int byte = next_byte(stream);
        if (byte == EOF) return 0;
        *to = static_cast<char>(byte);
        found = byte == stop;
        return 1;
    }
    std::size_t n = buffered(stream) < most ? buffered(stream) : most;
    const char* const from = stream->_IO_read_ptr;
    if (stop >= 0) {
        const void* const end = std::memchr(from, stop, n);
        found = end != nullptr;
        if (found) n = static_cast<std::size_t>(static_cast<const char*>(end) - from) + 1;
    }
    std::memcpy(to, from, n);
    stream->_IO_read_ptr += n;
    return n;
}

char* read_line(char* to, int size, FILE* stream) noexcept {
    if (size <= 1) return real::fgets_unlocked(to, size, stream);
    const int old_error = stream->_flags & has_seen_error;
    stream->_flags &= ~has_seen_error;
    const std::size_t most = static_cast<std::size_t>(size) - 1;
    std::size_t count = 0;
    for (bool found = false; count != most && !found;) {
        const std::size_t n = take(stream, to + count, most - count, '\n', found);
        if (n == 0) break;
        count += n;
    }
    // As libc does: what was read before EAGAIN is returned, and the error again by the next call.
    const bool failed = has(stream, has_seen_error) && errno != EAGAIN;
    stream->_flags |= old_error;
    if (count == 0 || failed) return nullptr;
    to[count] = '\0';
    return to;
}

// Room for `needed` bytes in a buffer as getline() has it.
bool grow(char** line, std::size_t* size, std::size_t needed) noexcept {
    if (*line != nullptr && *size >= needed) return true;
    const std::size_t bigger = needed < 120 ? 120 : 2 * needed;
    auto* const moved = static_cast<char*>(std::realloc(*line, bigger));
    if (moved == nullptr) return false;
    *line = moved;
    *size = bigger;
    return true;
}

ssize_t read_up_to(char** line, std::size_t* size, int stop, FILE* stream) noexcept {
    if (line == nullptr || size == nullptr) {
        errno = EINVAL;
        return -1;
    }
    std::size_t count = 0;
    for (bool found = false; !found;) {
        constexpr std::size_t room = 64;
        if (!grow(line, size, count + room + 1)) return -1;
        const std::size_t n =
            take(stream, *line + count, *size - count - 1, static_cast<unsigned char>(stop), found);
        if (n == 0) break;
        count += n;
    }
    if (count == 0) return -1;
    (*line)[count] = '\0';
    return static_cast<ssize_t>(count);
}

std::size_t read_items(void* to, std::size_t size, std::size_t count, FILE* stream) noexcept {
    const std::size_t wanted = size * count;
    if (wanted == 0) return 0;
    std::size_t got = 0;
    for (bool found = false; got != wanted;) {
        const std::size_t n = take(stream, static_cast<char*>(to) + got, wanted - got, -1, found);
        if (n == 0) break;
        got += n;
    }
    return got / size;
}

// scanf() reads where its format leads it. It gets a stream of its own that hands it one byte at a
// time, so that what it has not used stays where it was.
class one_by_one {
  public:
    explicit one_by_one(FILE* from) noexcept : from_(from) {
        proxy_ = fopencookie(this, "r", {&one_by_one::read, nullptr, nullptr, nullptr});
        if (proxy_ != nullptr) std::setvbuf(proxy_, nullptr, _IONBF, 0);
    }
    ~one_by_one() {
        if (proxy_ == nullptr) return;
        const int saved = errno;
        if (buffered(proxy_) != 0) ungetc(real::getc_unlocked(proxy_), from_);
        real::fclose(proxy_);
        errno = saved;
    }
    one_by_one(const one_by_one&) = delete;
    one_by_one& operator=(const one_by_one&) = delete;
    FILE* get() noexcept { return proxy_; }

  private:
    static ssize_t read(void* self, char* to, std::size_t) noexcept {
        FILE* const from = static_cast<one_by_one*>(self)->from_;
        const int byte = next_byte(from);
        if (byte == EOF) return ferror_unlocked(from) != 0 ? -1 : 0;
        *to = static_cast<char>(byte);
        return 1;
    }

    FILE* from_;
    FILE* proxy_;
};

using scanner = int(FILE*, const char*, va_list);

int scan(const original_call<scanner>& call, FILE* stream, const char* format, va_list arguments) {
    // An array type where it is declared, a pointer where it is passed.
    struct {
        va_list list;
    } kept;
    va_copy(kept.list, arguments);
    const int result = read_stream(
        stream,
        [&] {
            one_by_one proxy(stream);
            return proxy.get() == nullptr ? EOF : call(proxy.get(), format, kept.list);
        },
        [&] { return call(stream, format, kept.list); });
    va_end(kept.list);
    return result;
}

}  // namespace

// Names whose declarations, which vary with the compiler's options, are in the way.
#define RAMIE_AS(name) asm(name)
extern "C" {
int ramie_fgetc(FILE*) RAMIE_AS("fgetc");
int ramie_getc(FILE*) RAMIE_AS("getc");
int ramie_io_getc(FILE*) RAMIE_AS("_IO_getc");
int ramie_getchar() RAMIE_AS("getchar");
int ramie_fgetc_unlocked(FILE*) RAMIE_AS("fgetc_unlocked");
int ramie_getc_unlocked(FILE*) RAMIE_AS("getc_unlocked");
int ramie_getchar_unlocked() RAMIE_AS("getchar_unlocked");
int ramie_uflow(FILE*) RAMIE_AS("__uflow");
int ramie_ungetc(int, FILE*) RAMIE_AS("ungetc");
char* ramie_fgets(char*, int, FILE*) RAMIE_AS("fgets");
char* ramie_fgets_unlocked(char*, int, FILE*) RAMIE_AS("fgets_unlocked");
char* ramie_fgets_chk(char*, std::size_t, int, FILE*) RAMIE_AS("__fgets_chk");
char* ramie_fgets_unlocked_chk(char*, std::size_t, int, FILE*) RAMIE_AS("__fgets_unlocked_chk");
ssize_t ramie_getdelim(char**, std::size_t*, int, FILE*) RAMIE_AS("getdelim");
ssize_t ramie_getdelim2(char**, std::size_t*, int, FILE*) RAMIE_AS("__getdelim");
ssize_t ramie_getline(char**, std::size_t*, FILE*) RAMIE_AS("getline");
std::size_t ramie_fread(void*, std::size_t, std::size_t, FILE*) RAMIE_AS("fread");
std::size_t ramie_fread_unlocked(void*, std::size_t, std::size_t, FILE*) RAMIE_AS("fread_unlocked");
std::size_t ramie_fread_chk(void*, std::size_t, std::size_t, std::size_t, FILE*)
    RAMIE_AS("__fread_chk");
std::size_t ramie_fread_unlocked_chk(void*, std::size_t, std::size_t, std::size_t, FILE*)
    RAMIE_AS("__fread_unlocked_chk");
int ramie_getw(FILE*) RAMIE_AS("getw");
int ramie_vfscanf(FILE*, const char*, va_list) RAMIE_AS("vfscanf");
int ramie_vscanf(const char*, va_list) RAMIE_AS("vscanf");
int ramie_fscanf(FILE*, const char*, ...) RAMIE_AS("fscanf");
int ramie_scanf(const char*, ...) RAMIE_AS("scanf");
int ramie_c99_vfscanf(FILE*, const char*, va_list) RAMIE_AS("__isoc99_vfscanf");
int ramie_c99_vscanf(const char*, va_list) RAMIE_AS("__isoc99_vscanf");
int ramie_c99_fscanf(FILE*, const char*, ...) RAMIE_AS("__isoc99_fscanf");
int ramie_c99_scanf(const char*, ...) RAMIE_AS("__isoc99_scanf");
void ramie_flockfile(FILE*) RAMIE_AS("flockfile");
int ramie_ftrylockfile(FILE*) RAMIE_AS("ftrylockfile");
void ramie_funlockfile(FILE*) RAMIE_AS("funlockfile");
}
#undef RAMIE_AS

int ramie_fgetc(FILE* f) {
    return read_stream(
        f, [=] { return next_byte(f); }, [=] { return real::fgetc(f); });
}
int ramie_getc(FILE* f) { return ramie_fgetc(f); }
int ramie_io_getc(FILE* f) { return ramie_fgetc(f); }
int ramie_getchar() { return ramie_fgetc(stdin); }

int ramie_fgetc_unlocked(FILE* f) {
    return read_unlocked(
        f, [=] { return next_byte(f); }, [=] { return real::getc_unlocked(f); });
}
int ramie_getc_unlocked(FILE* f) { return ramie_fgetc_unlocked(f); }
int ramie_getchar_unlocked() { return ramie_fgetc_unlocked(stdin); }

// What getc_unlocked() as a macro calls when the buffer is empty.
int ramie_uflow(FILE* f) {
    return read_unlocked(
        f, [=] { return wait_until_readable(f) ? real::__uflow(f) : EOF; },
        [=] { return real::__uflow(f); });
}

int ramie_ungetc(int byte, FILE* f) {
    const auto plain = [=] { return real::ungetc(byte, f); };
    return read_stream(f, plain, plain);
}

char* ramie_fgets(char* to, int size, FILE* f) {
    return read_stream(
        f, [=] { return read_line(to, size, f); }, [=] { return real::fgets(to, size, f); });
}
char* ramie_fgets_unlocked(char* to, int size, FILE* f) {
    return read_unlocked(
        f, [=] { return read_line(to, size, f); },
        [=] { return real::fgets_unlocked(to, size, f); });
}
// A buffer that is too small is left to the checked original, which ends the process.
char* ramie_fgets_chk(char* to, std::size_t room, int size, FILE* f) {
    if (size > 0 && static_cast<std::size_t>(size) > room)
        return real::__fgets_chk(to, room, size, f);
    return ramie_fgets(to, size, f);
}
char* ramie_fgets_unlocked_chk(char* to, std::size_t room, int size, FILE* f) {
    if (size > 0 && static_cast<std::size_t>(size) > room)
        return real::__fgets_unlocked_chk(to, room, size, f);
    return ramie_fgets_unlocked(to, size, f);
}

ssize_t ramie_getdelim(char** line, std::size_t* size, int stop, FILE* f) {
    return read_stream(
        f, [=] { return read_up_to(line, size, stop, f); },
        [=] { return real::getdelim(line, size, stop, f); });
}
ssize_t ramie_getdelim2(char** line, std::size_t* size, int stop, FILE* f) {
    return ramie_getdelim(line, size, stop, f);
}
ssize_t ramie_getline(char** line, std::size_t* size, FILE* f) {
    return ramie_getdelim(line, size, '\n', f);
}

std::size_t ramie_fread(void* to, std::size_t size, std::size_t count, FILE* f) {
    return read_stream(
        f, [=] { return read_items(to, size, count, f); },
        [=] { return real::fread(to, size, count, f); });
}
std::size_t ramie_fread_unlocked(void* to, std::size_t size, std::size_t count, FILE* f) {
    return read_unlocked(
        f, [=] { return read_items(to, size, count, f); },
        [=] { return real::fread_unlocked(to, size, count, f); });
}
std::size_t ramie_fread_chk(void* to, std::size_t room, std::size_t size, std::size_t count,
                            FILE* f) {
    if (size != 0 && count > room / size) return real::__fread_chk(to, room, size, count, f);
    return ramie_fread(to, size, count, f);
}
std::size_t ramie_fread_unlocked_chk(void* to, std::size_t room, std::size_t size,
                                     std::size_t count, FILE* f) {
    if (size != 0 && count > room / size)
        return real::__fread_unlocked_chk(to, room, size, count, f);
    return ramie_fread_unlocked(to, size, count, f);
}

int ramie_getw(FILE* f) {
    int word = 0;
    return ramie_fread(&word, sizeof word, 1, f) == 1 ? word : EOF;
}

int ramie_vfscanf(FILE* f, const char* format, va_list arguments) {
    return scan(real::vfscanf, f, format, arguments);
}
int ramie_vscanf(const char* format, va_list arguments) {
    return scan(real::vfscanf, stdin, format, arguments);
}
int ramie_fscanf(FILE* f, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int result = scan(real::vfscanf, f, format, arguments);
    va_end(arguments);
    return result;
}
int ramie_scanf(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int result = scan(real::vfscanf, stdin, format, arguments);
    va_end(arguments);
    return result;
}
int ramie_c99_vfscanf(FILE* f, const char* format, va_list arguments) {
    return scan(real::__isoc99_vfscanf, f, format, arguments);
}
int ramie_c99_vscanf(const char* format, va_list arguments) {
    return scan(real::__isoc99_vfscanf, stdin, format, arguments);
}
int ramie_c99_fscanf(FILE* f, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int result = scan(real::__isoc99_vfscanf, f, format, arguments);
    va_end(arguments);
    return result;
}
int ramie_c99_scanf(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int result = scan(real::__isoc99_vfscanf, stdin, format, arguments);
    va_end(arguments);
    return result;
}

void ramie_flockfile(FILE* f) {
    if (!on_fiber(family::stdio) || !stream_turn::hold(f)) real::flockfile(f);
}
int ramie_ftrylockfile(FILE* f) {
    if (!on_fiber(family::stdio)) return real::ftrylockfile(f);
    // Another thread's is found busy by libc.
    if (is_in_use(f) || real::ftrylockfile(f) != 0) return -1;
    const bool held = stream_turn::hold(f);
    if (held) real::funlockfile(f);
    return 0;
}
void ramie_funlockfile(FILE* f) {
    if (!on_fiber(family::stdio) || !stream_turn::give_back(f)) real::funlockfile(f);
}

// The same by libc's old names.
extern "C" {
[[gnu::alias("ungetc")]] int _IO_ungetc(int byte, FILE* f);
[[gnu::alias("fgets")]] char* _IO_fgets(char* to, int size, FILE* f);
[[gnu::alias("fread")]] std::size_t _IO_fread(void* to, std::size_t size, std::size_t count,
                                              FILE* f);
[[gnu::alias("vfscanf")]] int __vfscanf(FILE* f, const char* format, va_list arguments);
[[gnu::alias("flockfile")]] void _IO_flockfile(FILE* f);
[[gnu::alias("ftrylockfile")]] int _IO_ftrylockfile(FILE* f);
[[gnu::alias("funlockfile")]] void _IO_funlockfile(FILE* f);
}

}  // namespace ramie::monkey::detail
