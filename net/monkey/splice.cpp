// sendfile, splice, tee and vmsplice. What makes them wait is told by either of two descriptors,
// and no flag of theirs is for sockets: these are non-blocking for the length of a try, as for
// connect().

#include <fcntl.h>
#include <sys/stat.h>

#include "probe.hpp"
#include "watching.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind in_splice{"splice()", outside::kernel, nullptr,
                              handler_ends::unless_restarting};

// One of the two ends of a transfer.
struct end {
    end(int number, direction way) noexcept : fd(number), dir(way), facts(facts_of(number)) {
        if (facts == nullptr) return;
        kind = kind_of(fd, *facts);
        file.emplace(*facts);
    }
    // False, with errno, when the number means another file by now.
    [[nodiscard]] bool is_same() const noexcept { return !file || still_holds(*file); }
    [[nodiscard]] bool is_socket() const noexcept { return detail::is_socket(kind); }
    [[nodiscard]] bool is_pipe() const noexcept { return kind == descriptor_kind::pipe; }
    [[nodiscard]] bool may_wait() const noexcept { return is_socket() || is_pipe(); }

    // True when the owner did not want to wait for it.
    [[nodiscard]] bool is_nonblocking() const noexcept {
        return may_wait() && wants_nonblocking(fd, *facts);
    }
    [[nodiscard]] bool is_ready() const noexcept {
        if (!may_wait()) return true;
        return ready_now(fd, dir == direction::read ? POLLIN : POLLOUT) != 0;
    }
    [[nodiscard]] deadline limit() const noexcept {
        return is_socket() ? timeout_of(fd, dir, *facts) : deadline::never();
    }

    int fd;
    direction dir;
    descriptor_facts* facts;
    descriptor_kind kind = descriptor_kind::unknown;
    std::optional<meaning> file;
};

// A socket's mode for one try.
class unwilling {
  public:
    explicit unwilling(const end& e) noexcept {
        if (e.is_socket()) mode_.emplace(e.fd);
    }

  private:
    std::optional<nonblocking_for_a_call> mode_;
};

// Moves something from `in` to `out`: what `attempt()`, which does not wait for pipes, returns when
// it is not EAGAIN. `pipes_wait`: no flag of the caller's says otherwise.
template <class Attempt>
ssize_t move_some(const end& in, const end& out, bool pipes_wait, deadline until,
                  Attempt attempt) noexcept {
    const auto must_not_wait = [&](const end& e) {
        return !e.is_ready() && (e.is_nonblocking() || (e.is_pipe() && !pipes_wait));
    };
    ssize_t n = 0;
    const watched how = watch_until(
        in_splice, &in, until,
        [&](int /*closed*/) {
            if (!in.is_same() || !out.is_same()) {
                n = -1;
                return true;
            }
            {
                const unwilling from(in);
                const unwilling to(out);
                n = attempt();
            }
            if (n >= 0 || errno != EAGAIN) return true;
            const bool is_over = must_not_wait(in) || must_not_wait(out);
            errno = EAGAIN;
            return is_over;
        },
        [&](watch_list& places) {
            const bool is_input_ready = in.is_ready();
            if (!is_input_ready) places.add(in.fd, in.dir);
            if (is_input_ready && !out.is_ready()) places.add(out.fd, out.dir);
            // Both are: room in a pipe is counted in pages, and some of its pages may be part full.
            if (is_input_ready && out.is_ready()) places.look_again();
            return true;
        });
    take_turn();
    if (how == watched::timed_out) errno = EAGAIN;
    return how == watched::seen ? n : -1;
}

// A blocking call goes on until the file ends or all is sent; into a pipe goes what fits.
ssize_t send_file(int to, int from, off_t* offset, std::size_t size) noexcept {
    const end in(from, direction::read);
    const end out(to, direction::write);
    if (!out.may_wait() || (offset != nullptr && !may_be_read(offset, sizeof *offset)))
        return real::sendfile(to, from, offset, size);
    const bool is_pipe = out.is_pipe() && file_type(to) == S_IFIFO && file_type(from) != S_IFIFO;
    const deadline until = out.limit();
    size = std::min(size, most_in_a_call);
    std::size_t done = 0;
    do {
        if (done != 0 && has_pending_error(to)) break;
        const ssize_t n = move_some(in, out, true, until, [&]() -> ssize_t {
            // To a pipe this is what the kernel does with the call, and it takes a flag.
            if (is_pipe)
                return real::splice(from, offset, to, nullptr, size - done, SPLICE_F_NONBLOCK);
            std::optional<nonblocking_for_a_call> mode;
            if (out.is_pipe()) mode.emplace(to);
            return real::sendfile(to, from, offset, size - done);
        });
        if (n < 0) return done == 0 ? -1 : static_cast<ssize_t>(done);
        done += static_cast<std::size_t>(n);
        if (n == 0) break;
    } while (done != size && out.is_socket() && !out.is_nonblocking());
    return static_cast<ssize_t>(done);
}

ssize_t splice_on_fiber(int from, off_t* from_offset, int to, off_t* to_offset, std::size_t size,
                        unsigned flags) noexcept {
    const end in(from, direction::read);
    const end out(to, direction::write);
    if (size == 0 || !(in.is_pipe() || out.is_pipe()))
        return real::splice(from, from_offset, to, to_offset, size, flags);
    const bool pipes_wait = (flags & SPLICE_F_NONBLOCK) == 0;
    const deadline until = std::min(in.limit(), out.limit());
    std::size_t done = 0;
    // A pipe is emptied into a socket, as far as it was full; anything else moves once.
    do {
        if (done != 0 && has_pending_error(to)) break;
        const ssize_t n = move_some(in, out, pipes_wait, until, [&] {
            return real::splice(from, from_offset, to, to_offset, size - done,
                                flags | SPLICE_F_NONBLOCK);
        });
        if (n < 0) return done == 0 ? -1 : static_cast<ssize_t>(done);
        done += static_cast<std::size_t>(n);
        if (n == 0) break;
    } while (done != size && out.is_socket() && !out.is_nonblocking() && in.is_ready());
    return static_cast<ssize_t>(done);
}

ssize_t tee_on_fiber(int from, int to, std::size_t size, unsigned flags) noexcept {
    const end in(from, direction::read);
    const end out(to, direction::write);
    if (size == 0 || !in.is_pipe() || !out.is_pipe()) return real::tee(from, to, size, flags);
    return move_some(in, out, (flags & SPLICE_F_NONBLOCK) == 0, deadline::never(),
                     [=] { return real::tee(from, to, size, flags | SPLICE_F_NONBLOCK); });
}

ssize_t vmsplice_on_fiber(int fd, const iovec* parts, std::size_t count, unsigned flags) noexcept {
    const int mode = real::fcntl(fd, F_GETFL, nullptr);
    const end pipe(fd, (mode & O_ACCMODE) == O_RDONLY ? direction::read : direction::write);
    if (mode < 0 || !pipe.is_pipe()) return real::vmsplice(fd, parts, count, flags);
    return move_some(pipe, pipe, (flags & SPLICE_F_NONBLOCK) == 0, deadline::never(),
                     [=] { return real::vmsplice(fd, parts, count, flags | SPLICE_F_NONBLOCK); });
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
    return on_fiber(family::socket) ? send_file(to, from, offset, size)
                                    : real::sendfile(to, from, offset, size);
}

[[gnu::alias("sendfile")]] ssize_t sendfile64(int to, int from, off64_t* offset,
                                              size_t size) noexcept;

ssize_t splice(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
               unsigned flags) {
    return on_fiber(family::socket) ? splice_on_fiber(from, from_offset, to, to_offset, size, flags)
                                    : real::splice(from, from_offset, to, to_offset, size, flags);
}

ssize_t tee(int from, int to, size_t size, unsigned flags) {
    return on_fiber(family::socket) ? tee_on_fiber(from, to, size, flags)
                                    : real::tee(from, to, size, flags);
}

ssize_t vmsplice(int fd, const iovec* parts, size_t count, unsigned flags) {
    return on_fiber(family::socket) ? vmsplice_on_fiber(fd, parts, count, flags)
                                    : real::vmsplice(fd, parts, count, flags);
}
}
