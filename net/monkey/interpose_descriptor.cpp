// The libc names of making, naming, setting and closing descriptors. Their effects are for the
// whole process, so the table learns of them on every thread once the patch is in effect.

#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "connection.hpp"
#include "descriptor_kind.hpp"
#include "early_sockets.hpp"
#include "file_locks.hpp"
#include "made_nonblocking.hpp"
#include "ramie/detail/loop_descriptors.hpp"
#include "shell.hpp"
#include "stream_output.hpp"

using namespace ramie::monkey::detail;

namespace {

void note_pair(const int fds[2], descriptor_kind kind, int flags) noexcept {
    note_created(fds[0], kind, flags);
    note_created(fds[1], kind, flags);
}

// A loop's number is to its program as one that is not open: who closes all does not mean it.
bool is_loops_own(int fd) noexcept {
    if (!is_on(family::socket) || !is_kept_descriptor(fd)) return false;
    errno = EBADF;
    return true;
}

// The number that `take_over()` gets is closed by it: whoever waits must know before, but not if
// the kernel is going to refuse.
template <class TakeOver>
int take_number(int from, int to, int flags, TakeOver take_over) noexcept {
    const bool is_refused = from == to || (flags & ~O_CLOEXEC) != 0;
    if (is_refused || !owns_table() || real::fcntl(from, F_GETFD, nullptr) < 0) return take_over();
    if (is_loops_own(to)) return -1;
    const closing old(to);
    const int result = take_over();
    if (result >= 0) note_copy(from, to);
    return result;
}

// Every number of this range in the parts of the table that are there, in order, until `f(fd,
// facts)` is false.
template <class F>
bool for_each_in_table(unsigned first, unsigned last, F f) noexcept {
    for (std::size_t i = first / facts_chunk_size; i <= last / facts_chunk_size; ++i) {
        if (i == facts_chunk_count) return true;
        descriptor_facts* const chunk = facts_chunks[i].load();
        if (chunk == nullptr) continue;
        for (std::size_t j = 0; j != facts_chunk_size; ++j) {
            const std::size_t fd = i * facts_chunk_size + j;
            if (fd >= first && fd <= last && !f(static_cast<int>(fd), chunk[j])) return false;
        }
    }
    return true;
}

void note_closing_all(unsigned first, unsigned last) noexcept {
    for_each_in_table(first, last, [](int fd, descriptor_facts& facts) {
        // The others are left alone: most of the table is pages that nobody has touched.
        if (facts.watchers == 0 && facts.kind == descriptor_kind::unknown) return true;
        facts.is_closing = true;
        note_closing(fd);
        return true;
    });
}

void note_closed_all(unsigned first, unsigned last) noexcept {
    for_each_in_table(first, last, [](int, descriptor_facts& facts) {
        if (facts.is_closing) facts.is_closing = false;
        return true;
    });
}

// All but what loops work with.
int close_others(unsigned first, unsigned last, int flags) noexcept {
    std::uint64_t begin = first;
    const auto close_up_to = [&](std::uint64_t end) {
        return begin == end || real::close_range(static_cast<unsigned>(begin),
                                                 static_cast<unsigned>(end - 1), flags) == 0;
    };
    const bool are_closed =
        for_each_in_table(first, last, [&](int fd, const descriptor_facts& facts) {
            if (facts.keeper == 0 || !is_kept_descriptor(fd)) return true;
            if (!close_up_to(static_cast<unsigned>(fd))) return false;
            begin = static_cast<unsigned>(fd) + 1;
            return true;
        });
    return are_closed && close_up_to(std::uint64_t{last} + 1) ? 0 : -1;
}

// A process that is not patched yet may choose for one that is.
void note_mode(int fd) noexcept { owns_table() ? note_mode_set(fd) : note_mode_chosen(fd); }

// A plain thread may be cancelled while it waits for a lock.
int control(int fd, int command, void* argument) {
    if (waits_for_lock(command) && on_fiber(family::socket))
        return lock_record(fd, command, argument);
    const int result = real::fcntl(fd, command, argument);
    if (result < 0) return result;
    if (command == F_SETFL) note_mode(fd);
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && owns_table()) note_copy(fd, result);
    return result;
}

}  // namespace

extern "C" {

int socket(int domain, int type, int protocol) noexcept {
    const int fd = real::socket(domain, type, protocol);
    if (fd >= 0 && owns_table()) note_socket(fd, domain, type, protocol);
    if (fd >= 0 && !is_chosen(family::socket)) note_early_socket(fd, __builtin_return_address(0));
    return fd;
}

int socketpair(int domain, int type, int protocol, int fds[2]) noexcept {
    const int result = real::socketpair(domain, type, protocol, fds);
    if (result == 0 && owns_table()) note_pair(fds, descriptor_kind::socket, type);
    return result;
}

int pipe(int fds[2]) noexcept {
    const int result = real::pipe(fds);
    if (result == 0 && owns_table()) note_pair(fds, descriptor_kind::pipe, 0);
    return result;
}

int pipe2(int fds[2], int flags) noexcept {
    const int result = real::pipe2(fds, flags);
    if (result == 0 && owns_table()) note_pair(fds, descriptor_kind::pipe, flags);
    return result;
}

int accept(int fd, sockaddr* address, socklen_t* length) {
    if (on_fiber(family::socket)) return accept_connection(fd, address, length, 0);
    const int made = real::accept(fd, address, length);
    if (made >= 0 && owns_table()) note_created(made, descriptor_kind::unknown, 0);
    return made;
}

int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    if (on_fiber(family::socket)) return accept_connection(fd, address, length, flags);
    const int made = real::accept4(fd, address, length, flags);
    if (made >= 0 && owns_table()) note_created(made, descriptor_kind::unknown, flags);
    return made;
}

int connect(int fd, const sockaddr* address, socklen_t length) {
    return on_fiber(family::socket) ? connect_to(fd, address, length)
                                    : real::connect(fd, address, length);
}

int close(int fd) {
    if (is_loops_own(fd)) return -1;
    const closing now(fd);
    return real::close(fd);
}

int close_range(unsigned first, unsigned last, int flags) noexcept {
    const bool closes = (static_cast<unsigned>(flags) & CLOSE_RANGE_CLOEXEC) == 0 && first <= last;
    if (!closes || !owns_table()) return real::close_range(first, last, flags);
    note_closing_all(first, last);
    const int result = close_others(first, last, flags);
    note_closed_all(first, last);
    return result;
}

void closefrom(int first) noexcept {
    // Without the system call it goes another way.
    const auto lowest = static_cast<unsigned>(std::max(first, 0));
    if (!owns_table() || close_range(lowest, ~0U, 0) != 0) real::closefrom(first);
}

// libc closes the descriptor of a stream without asking close().
int fclose(FILE* stream) {
    int status = 0;
    if (close_if_command(stream, status)) return status;
    const int error = stream == nullptr || drain_to_close(stream) ? 0 : errno;
    const closing now(stream == nullptr ? -1 : fileno(stream));
    const int result = real::fclose(stream);
    if (error == 0) return result;
    errno = error;
    return EOF;
}

int shutdown(int fd, int how) noexcept {
    const int result = real::shutdown(fd, how);
    // A local socket that is full sends no event when it is shut down for writing.
    if (result == 0 && owns_table()) wake_waiters(fd);
    return result;
}

int dup(int from) noexcept {
    const int to = real::dup(from);
    if (to >= 0 && owns_table()) note_copy(from, to);
    return to;
}

int dup2(int from, int to) noexcept {
    return take_number(from, to, 0, [=] { return real::dup2(from, to); });
}

int dup3(int from, int to, int flags) noexcept {
    return take_number(from, to, flags, [=] { return real::dup3(from, to, flags); });
}

// An argument that the command does not take is read and passed on all the same, as libc does.

int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    return control(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    return control(fd, command, argument);
}

int ioctl(int fd, unsigned long request, ...) noexcept {
    va_list arguments;
    va_start(arguments, request);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    const int result = real::ioctl(fd, request, argument);
    if (result == 0 && request == FIONBIO) note_mode(fd);
    return result;
}

[[gnu::alias("pipe"), gnu::nothrow]] int __pipe(int fds[2]);
[[gnu::alias("connect")]] int __connect(int fd, const sockaddr* address, socklen_t length);
[[gnu::alias("close")]] int __close(int fd);
[[gnu::alias("fclose")]] int _IO_fclose(FILE* stream);
[[gnu::alias("dup2"), gnu::nothrow]] int __dup2(int from, int to);
[[gnu::alias("fcntl")]] int __fcntl(int fd, int command, ...);

int setsockopt(int fd, int level, int name, const void* value, socklen_t length) noexcept {
    const int result = real::setsockopt(fd, level, name, value, length);
    if (result == 0 && owns_table()) note_option(fd, level, name, value);
    return result;
}
}
