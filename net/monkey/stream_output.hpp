// Writing to a FILE whose descriptor can be full, on fibers.
//
// libc writes in the middle of its own work. So it is never left to: what a call puts goes into the
// buffer as libc would have placed it, and the buffer goes out here, piece by piece. A fiber parks
// only between two pieces, when the FILE says exactly what has not gone out yet.
#pragma once

#include <cstddef>
#include <string_view>

#include "stream.hpp"

namespace ramie::monkey::detail {

// Bytes that were put and have not gone out.
inline std::size_t pending(const FILE* stream) noexcept {
    return has(stream, is_being_written)
               ? static_cast<std::size_t>(stream->_IO_write_ptr - stream->_IO_write_base)
               : 0;
}

// True when libc would only copy so many into the buffer. Never of a stream that is buffered by
// lines or not at all.
inline bool has_room(const FILE* stream, std::size_t size) noexcept {
    return has(stream, is_being_written) && stream->_IO_write_end >= stream->_IO_write_ptr &&
           size <= static_cast<std::size_t>(stream->_IO_write_end - stream->_IO_write_ptr);
}

// False when that is for libc: it fails, at once.
[[nodiscard]] bool can_be_put_to(const FILE*) noexcept;

struct put_result {
    std::size_t taken;  // gone out or in the buffer
    bool is_flushed;    // false when what had to go out has not
};

// As fwrite_unlocked(), if can_be_put_to(). Suspends the calling fiber.
put_result put(FILE*, std::string_view bytes) noexcept;

// Until nothing is pending, or only what libc cannot send either; false, with errno and the error
// indicator, when that failed. What a kill or a timeout broke into stays in the buffer: it may be
// other fibers'. What the kernel refused is gone, as with libc. Suspends the calling fiber.
bool drain(FILE*) noexcept;

// The same in turn with others, for a call that flushes `stream` or all (null); true for one that
// never waits. Suspends the calling fiber.
bool drain_on_fiber(FILE* stream) noexcept;
inline bool drain_in_turn(FILE* stream) noexcept {
    return !on_fiber(family::stdio) || !is_on(family::socket) || drain_on_fiber(stream);
}

// For a stream that is about to be closed: what cannot go out is given up. Suspends the calling
// fiber.
void give_up_pending(FILE*) noexcept;
inline bool drain_to_close(FILE* stream) noexcept {
    const bool is_drained = drain_in_turn(stream);
    if (!is_drained) give_up_pending(stream);
    return is_drained;
}

// What libc flushes before it fills the buffer of `stream`: what was put to it, and to a standard
// output that goes line by line. Suspends the calling fiber.
bool flush_before_reading(FILE* stream) noexcept;

// What all do that put `size` bytes: the plain call where that does not wait, in turn with the
// other fibers that use the stream. A plain thread that is cancelled leaves by the plain call.
// Suspends the calling fiber.
template <class OnFiber, class Plain>
auto write_unlocked(FILE* stream, std::size_t size, OnFiber on_fiber_way, Plain plain)
    -> decltype(plain()) {
    return has_room(stream, size) || !may_wait(stream) || !can_be_put_to(stream) ? plain()
                                                                                 : on_fiber_way();
}
template <class OnFiber, class Plain>
auto write_stream(FILE* stream, std::size_t size, OnFiber on_fiber_way, Plain plain)
    -> decltype(plain()) {
    if (!is_patched(stream) || (!is_kind_that_waits(stream) && !is_in_use(stream))) return plain();
    const stream_turn turn(stream);
    return write_unlocked(stream, size, on_fiber_way, plain);
}

}  // namespace ramie::monkey::detail
