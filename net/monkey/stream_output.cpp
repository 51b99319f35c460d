#include "stream_output.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "stream_io.hpp"

extern "C" {
// Of libc, for what walks over all its streams.
void _IO_list_lock();
void _IO_list_unlock();
void* _IO_iter_begin();
void* _IO_iter_end();
void* _IO_iter_next(void*);
FILE* _IO_iter_file(void*);
}

namespace ramie::monkey::detail {

namespace {

// One try at a descriptor that can wait.
ssize_t try_write(int fd, const descriptor_facts& facts, const char* data,
                  std::size_t size) noexcept {
    if (is_socket(facts.kind.load(std::memory_order_relaxed)))
        return real::send(fd, data, size, MSG_DONTWAIT);
    const iovec part{const_cast<char*>(data), size};
    return try_write_parts(fd, &part, 1);
}

// As libc leaves it when all has gone out.
void empty(FILE* stream) noexcept {
    char* const start = stream->_IO_buf_base;
    stream->_IO_read_base = stream->_IO_read_ptr = stream->_IO_read_end = start;
    stream->_IO_write_base = stream->_IO_write_ptr = start;
    const bool is_asked_each_time = has(stream, is_line_buffered) || has(stream, is_unbuffered);
    stream->_IO_write_end = is_asked_each_time ? start : stream->_IO_buf_end;
}

void take_out(FILE* stream, std::size_t size) noexcept {
    const std::size_t rest = pending(stream) - size;
    if (rest == 0) return empty(stream);
    std::memmove(stream->_IO_write_base, stream->_IO_write_base + size, rest);
    stream->_IO_write_ptr = stream->_IO_write_base + rest;
}

ssize_t try_to_drain(FILE* stream, int fd, const descriptor_facts& facts) noexcept {
    const std::size_t size = pending(stream);
    if (size == 0) return 0;
    const ssize_t n = try_write(fd, facts, stream->_IO_write_base, size);
    if (n > 0) take_out(stream, static_cast<std::size_t>(n));
    return n;
}

bool fail(FILE* stream) noexcept {
    stream->_flags |= has_seen_error;
    return false;
}

bool was_abandoned() noexcept { return errno == ECANCELED || errno == ETIMEDOUT; }

// As libc's write of what does not go through the buffer. How many went out; all, or it failed.
std::size_t write_past_buffer(FILE* stream, std::string_view bytes) noexcept {
    const int fd = fileno(stream);
    descriptor_facts& facts = *facts_of(fd);
    std::size_t done = 0;
    while (done != bytes.size()) {
        const ssize_t n =
            wait_for(fd, direction::write, facts, timeout_of(fd, direction::write, facts), 0,
                     [&] { return try_write(fd, facts, &bytes[done], bytes.size() - done); });
        if (n < 0) {
            fail(stream);
            break;
        }
        done += static_cast<std::size_t>(n);
    }
    return done;
}

bool has_begun(const FILE* stream) noexcept {
    return has(stream, is_being_written) && stream->_IO_write_base != nullptr;
}

// Where something was left to be read, libc seeks back first, which no such descriptor can.
bool is_in_order(const FILE* stream) noexcept {
    return has(stream, is_appending) || stream->_IO_read_end == stream->_IO_write_base;
}

std::size_t room(const FILE* stream) noexcept {
    return has(stream, is_unbuffered)
               ? 0
               : static_cast<std::size_t>(stream->_IO_buf_end - stream->_IO_write_ptr);
}

// There is room for them.
std::size_t store(FILE* stream, std::string_view bytes) noexcept {
    std::memcpy(stream->_IO_write_ptr, bytes.data(), bytes.size());
    stream->_IO_write_ptr += bytes.size();
    return bytes.size();
}

// Of what is too much for an empty buffer, whole blocks go past it, or all where it is a small one.
std::size_t count_past_buffer(const FILE* stream, std::size_t size) noexcept {
    if (pending(stream) != 0 || size <= room(stream)) return 0;
    constexpr std::size_t small = 128;
    const auto block = static_cast<std::size_t>(stream->_IO_buf_end - stream->_IO_buf_base);
    return block < small ? size : size - size % block;
}

}  // namespace

bool can_be_put_to(const FILE* stream) noexcept {
    if (has(stream, is_read_only) || has(stream, is_in_backup)) return false;
    return has_begun(stream) ? is_in_order(stream) : stream->_IO_read_ptr == stream->_IO_read_end;
}

bool drain(FILE* stream) noexcept {
    const int fd = fileno(stream);
    descriptor_facts& facts = *facts_of(fd);
    while (pending(stream) != 0 && is_in_order(stream)) {
        const ssize_t n =
            wait_for(fd, direction::write, facts, timeout_of(fd, direction::write, facts), 0,
                     [&] { return try_to_drain(stream, fd, facts); });
        if (n >= 0) continue;
        if (!was_abandoned()) empty(stream);
        return fail(stream);
    }
    return true;
}

put_result put(FILE* stream, std::string_view bytes) noexcept {
    // As libc does, the buffer is filled before anything goes past it, unless it is new.
    bool may_pass = !has_begun(stream);
    // A new one learns here that it is a terminal's, which goes line by line.
    if (may_pass) real::__overflow(stream, EOF);
    const std::size_t newline =
        has(stream, is_line_buffered) ? bytes.rfind('\n') : std::string_view::npos;
    const std::size_t lines = newline == std::string_view::npos ? 0 : newline + 1;
    std::size_t taken = 0;
    while (taken != bytes.size()) {
        if (room(stream) == 0 && !drain(stream)) return {taken, false};
        const std::size_t end = taken < lines ? lines : bytes.size();
        const std::string_view rest = bytes.substr(taken, end - taken);
        may_pass = may_pass || room(stream) == 0;
        const std::size_t past = may_pass ? count_past_buffer(stream, rest.size()) : 0;
        const std::size_t wanted = past == 0 ? std::min(rest.size(), room(stream)) : past;
        const std::size_t n = past == 0 ? store(stream, rest.substr(0, wanted))
                                        : write_past_buffer(stream, rest.substr(0, past));
        taken += n;
        if (n == 0 || n != wanted) return {taken, false};
        may_pass = true;
        if (taken == lines && !drain(stream)) return {taken, false};
    }
    return {taken, true};
}

namespace {

bool waits_for_room(FILE* stream) noexcept {
    return pending(stream) != 0 && is_in_order(stream) && may_wait(stream);
}

// The first stream of this process that has something for a full descriptor, whose number it is.
// All others have none when it is -1. libc's lock keeps streams from being closed meanwhile.
int drain_what_goes() noexcept {
    int full = -1;
    _IO_list_lock();
    for (void* each = _IO_iter_begin(); each != _IO_iter_end() && full < 0;
         each = _IO_iter_next(each)) {
        FILE* const stream = _IO_iter_file(each);
        if (real::ftrylockfile(stream) != 0) continue;
        if (waits_for_room(stream)) {
            const int fd = fileno(stream);
            ssize_t n = 1;
            while (n > 0) n = try_to_drain(stream, fd, *facts_of(fd));
            if (n < 0 && errno == EAGAIN) full = fd;
        }
        real::funlockfile(stream);
    }
    _IO_list_unlock();
    return full;
}

// What cannot go out is left to libc, which tells of it.
bool drain_all() noexcept {
    const int saved = errno;
    for (int fd = drain_what_goes(); fd >= 0; fd = drain_what_goes())
        if (!wait_until_ready(fd, direction::write, deadline::never())) return false;
    errno = saved;
    return true;
}

}  // namespace

bool drain_on_fiber(FILE* stream) noexcept {
    if (stream == nullptr) return drain_all();
    if (!is_kind_that_waits(stream)) return true;
    const stream_turn turn(stream);
    return !waits_for_room(stream) || drain(stream);
}

void give_up_pending(FILE* stream) noexcept {
    if (pending(stream) != 0) empty(stream);
}

bool flush_before_reading(FILE* stream) noexcept {
    if (waits_for_room(stream) && !drain(stream)) return false;
    if (!has(stream, is_line_buffered) && !has(stream, is_unbuffered)) return true;
    if (stream != stdout && has(stdout, is_line_buffered)) drain_in_turn(stdout);
    return true;
}

}  // namespace ramie::monkey::detail
