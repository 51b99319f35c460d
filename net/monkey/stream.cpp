#include "stream.hpp"

#include <poll.h>

#include <new>
#include <optional>
#include <string>

#include "descriptor_kind.hpp"
#include "parking.hpp"
#include "ramie/detail/transfer.hpp"
#include "stream_io.hpp"
#include "stream_output.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind a_stream{"a FILE that another fiber uses", outside::kernel};

// Of this thread, the last begun first.
constinit thread_local stream_turn* turns __attribute__((tls_model("initial-exec"))) = nullptr;

}  // namespace

void forget_parents_streams() noexcept {
    if (turns != nullptr) turns = nullptr;
}

bool is_kind_that_waits(FILE* stream) noexcept {
    if (fwide(stream, 0) > 0) return false;
    const int saved = errno;
    const int fd = fileno(stream);
    errno = saved;
    descriptor_facts* const facts = fd < 0 ? nullptr : facts_of(fd);
    if (facts == nullptr) return false;
    const descriptor_kind kind = kind_of(fd, *facts);
    return is_socket(kind) || kind == descriptor_kind::pipe;
}

bool may_wait(FILE* stream) noexcept {
    if (!is_kind_that_waits(stream)) return false;
    const int fd = fileno(stream);
    return !wants_nonblocking(fd, *facts_of(fd));
}

const fiber_core* stream_turn::user_of(const FILE* stream) noexcept {
    for (const stream_turn* each = turns; each != nullptr; each = each->next_)
        if (each->stream_ == stream) return each->user_;
    return nullptr;
}

bool is_in_use(const FILE* stream) noexcept { return stream_turn::user_of(stream) != nullptr; }

stream_turn::stream_turn(FILE* stream) noexcept : stream_(stream), user_(current_fiber) {
    if (user_of(stream) != user_) {
        std::optional<parked> place;
        if (is_in_use(stream) || count_parked(stream) != 0) {
            place.emplace(stream);
            while (!place->is_first() || is_in_use(stream))
                place->park(a_stream, stream, deadline::never(), /*shielded=*/true);
        }
        // A thread that has it gives it back where nobody is told.
        constexpr std::int64_t millisecond = 1'000'000;
        while (real::ftrylockfile(stream) != 0) {
            const deadline soon = deadline::at(now_ns() + millisecond);
            if (!place) place.emplace(stream);
            place->park(a_stream, stream, soon, /*shielded=*/true);
        }
    } else {
        real::ftrylockfile(stream);  // once more
    }
    next_ = turns;
    turns = this;
}

stream_turn::~stream_turn() {
    stream_turn** place = &turns;
    while (*place != nullptr && *place != this) place = &(*place)->next_;
    if (*place != nullptr) *place = next_;
    real::funlockfile(stream_);
    if (!is_in_use(stream_)) wake_first(stream_);
}

bool stream_turn::hold(FILE* stream) noexcept {
    auto* const turn = new (std::nothrow) stream_turn(stream);
    if (turn == nullptr) return false;
    turn->has_no_scope_ = true;
    return true;
}

bool stream_turn::give_back(FILE* stream) noexcept {
    for (stream_turn* each = turns; each != nullptr; each = each->next_) {
        if (each->stream_ != stream || each->user_ != current_fiber || !each->has_no_scope_)
            continue;
        delete each;
        return true;
    }
    return false;
}

std::size_t buffered(const FILE* stream) noexcept {
    return static_cast<std::size_t>(stream->_IO_read_end - stream->_IO_read_ptr);
}

bool wait_until_ready(int fd, direction dir, deadline until) noexcept {
    descriptor* const d = descriptor_of(fd);
    if (d == nullptr) return true;
    const std::uint32_t generation = d->generation;
    for (;;) {
        if (ready_now(fd, dir == direction::read ? POLLIN : POLLOUT) != 0) return true;
        d->clear(dir);
        const wake reason =
            judge(wait_descriptor(*d, fd, dir, until, waits_as::watcher, called_by::libc), *d,
                  generation);
        if (reason != wake::granted) return false;
    }
}

bool wait_until_readable(FILE* stream) noexcept {
    const bool has_more_behind =
        has(stream, is_in_backup) && stream->_IO_save_end > stream->_IO_save_base;
    if (buffered(stream) != 0 || has_more_behind || has(stream, has_seen_end)) return true;
    if (!flush_before_reading(stream)) return false;
    const int fd = fileno(stream);
    descriptor_facts* const facts = facts_of(fd);
    if (facts == nullptr) return true;
    if (wait_until_ready(fd, direction::read, timeout_of(fd, direction::read, *facts))) return true;
    stream->_flags |= has_seen_error;
    return false;
}

int next_byte(FILE* stream) noexcept {
    return wait_until_readable(stream) ? real::getc_unlocked(stream) : EOF;
}

}  // namespace ramie::monkey::detail
