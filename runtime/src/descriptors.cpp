// Parking on a descriptor.

#include "ramie/detail/descriptors.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "changed_numbers.hpp"
#include "ramie/detail/transfer.hpp"
#include "ramie/wait_fd.hpp"
#include "switching.hpp"

namespace ramie::detail {

namespace {

void describe_descriptor(const void* number, std::string& out) {
    out += " of descriptor " + std::to_string(reinterpret_cast<std::intptr_t>(number));
}

constexpr wait_kind a_reading{"reading", outside::kernel, &describe_descriptor};
constexpr wait_kind a_writing{"writing", outside::kernel, &describe_descriptor};
constexpr wait_kind a_libc_reading{"reading", outside::kernel, &describe_descriptor,
                                   handler_ends::unless_restarting};
constexpr wait_kind a_libc_writing{"writing", outside::kernel, &describe_descriptor,
                                   handler_ends::unless_restarting};

constexpr const wait_kind& kind_of(direction dir, called_by who) noexcept {
    if (who == called_by::us) return dir == direction::read ? a_reading : a_writing;
    return dir == direction::read ? a_libc_reading : a_libc_writing;
}

constexpr bool only_watches(waiter&) noexcept { return false; }

}  // namespace

descriptor* find_descriptor(int fd) noexcept { return current_scheduler->reactor().find(fd); }

bool watch(descriptor& d, int fd, direction dir) noexcept {
    return current_scheduler->reactor().watch(d, fd, dir);
}

namespace {

__attribute__((always_inline)) inline wake wait_here(descriptor& d, int fd, direction dir,
                                                     deadline until, waits_as role,
                                                     called_by who) noexcept {
    scheduler& mine = *current_scheduler;
    if (!mine.reactor().watch(d, fd, dir)) return wake::closed;
    waiter& self = current_fiber->place;
    self.on_wake = role == waits_as::watcher ? &only_watches : nullptr;
    if (role == waits_as::consumer_again)
        d.waiting(dir).enqueue_first(self);
    else
        d.waiting(dir).enqueue(self);
    const wake reason = mine.park_queued(kind_of(dir, who),
                                         reinterpret_cast<const void*>(std::intptr_t{fd}), until);
    if (reason == wake::closed) errno = EBADF;
    return reason;
}

// As transfer(), but for the wait, which is inlined: a frame less on the stack of every fiber that
// waits for its peer.
template <called_by Who>
__attribute__((always_inline)) inline transferred receive_here(descriptor& d, int fd, void* data,
                                                               std::size_t size, deadline until,
                                                               receive_call call) noexcept {
    constexpr direction dir = direction::read;
    auto attempt = [=] { return call(fd, data, size, MSG_DONTWAIT); };
    ssize_t n;
    if (try_at_once(d, dir, size, n, attempt)) return transferred(n);
    waits_as role = waits_as::consumer;
    if (transfers_in_turn <= transfers_per_turn) [[likely]] {
        const std::uint32_t generation = d.generation;
        transfers_in_turn = 0;
        const wake reason = judge(wait_here(d, fd, dir, until, role, Who), d, generation);
        if (reason != wake::granted) [[unlikely]]
            return try_once_more(d, dir, size, reason, attempt);
        if (d.may_be_ready(dir) && try_transfer(d, dir, size, n, attempt)) [[likely]]
            return transferred(n);
        role = waits_as::consumer_again;
    }
    return transfer_later<Who>(d, fd, dir, size, until, attempt, role);
}

}  // namespace

wake wait_descriptor(descriptor& d, int fd, direction dir, deadline until, waits_as role,
                     called_by who) noexcept {
    return wait_here(d, fd, dir, until, role, who);
}

transferred transfer_receive(descriptor& d, int fd, void* data, std::size_t size, deadline until,
                             receive_call call) noexcept {
    return receive_here<called_by::us>(d, fd, data, size, until, call);
}

ssize_t transfer_receive_for_libc(descriptor& d, int fd, void* data, std::size_t size,
                                  receive_call call) noexcept {
    return receive_here<called_by::libc>(d, fd, data, size, deadline::never(), call).count();
}

bool was_taken_back(wake reason) noexcept {
    return reason == wake::interrupted && current_fiber->interrupts.empty();
}

int wait_error(wake reason) noexcept {
    if (reason == wake::timed_out) return EAGAIN;
    if (reason != wake::interrupted) return errno;
    interrupt& first = current_fiber->interrupts.front();
    const int error = first.error_number();
    if (error == EINTR) first.unlink();
    return error;
}

void forget(int fd) noexcept {
    const int saved = errno;
    if (current_fiber != nullptr) current_scheduler->reactor().forget(fd);
    reset_facts(fd);
    const descriptor_facts* const facts = known_facts(fd);
    if (facts != nullptr && facts->watchers.load() != 0) {
        if (current_fiber == nullptr && current_scheduler != nullptr)
            current_scheduler->reactor().take_out(fd);
        note_changed_number(fd);
    }
    errno = saved;
}

void wake_waiters(int fd) noexcept {
    const int saved = errno;
    const descriptor_facts* const facts = known_facts(fd);
    const int watchers = facts == nullptr ? 0 : facts->watchers.load();
    const bool is_own =
        watchers != 0 && current_fiber != nullptr && current_scheduler->reactor().wake_waiters(fd);
    if (watchers > (is_own ? 1 : 0)) note_changed_number(fd);
    errno = saved;
}

namespace {

bool wait_fd(int fd, direction dir, deadline until) {
    scheduler& mine = scheduler::get();
    require_fiber(mine, "waiting for a descriptor");
    const auto fail = [fd](int error) {
        throw std::system_error(error, std::generic_category(),
                                "ramie: waiting for descriptor " + std::to_string(fd));
    };
    for (;;) {
        // Others read and write it: only the kernel knows whether it is ready now.
        pollfd question{fd, static_cast<short>(dir == direction::read ? POLLIN : POLLOUT), 0};
        if (::poll(&question, 1, 0) > 0) {
            if ((question.revents & POLLNVAL) != 0) fail(EBADF);
            return true;
        }
        descriptor* d = descriptor_of(fd);
        if (d != nullptr && !mine.reactor().is_watched_file(*d, fd)) {
            forget(fd);
            d = descriptor_of(fd);
        }
        if (d == nullptr) fail(errno);
        switch (wait_descriptor(*d, fd, dir, until, waits_as::watcher)) {
            case wake::granted:
                break;
            case wake::timed_out:
                return false;
            case wake::interrupted:
                raise_interrupt();
                break;
            case wake::closed:
                if (errno == EPERM) return true;
                fail(errno);
        }
    }
}

}  // namespace

}  // namespace ramie::detail

namespace ramie {

bool wait_readable(int fd, deadline until) {
    return detail::wait_fd(fd, detail::direction::read, until);
}

bool wait_writable(int fd, deadline until) {
    return detail::wait_fd(fd, detail::direction::write, until);
}

void forget_descriptor(int fd) noexcept { detail::forget(fd); }

}  // namespace ramie
