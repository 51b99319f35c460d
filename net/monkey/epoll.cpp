// epoll: a set is a descriptor that is readable while it has something to tell, and so can be
// waited for like one.

#include <sys/epoll.h>

#include "descriptor_kind.hpp"
#include "pending_signals.hpp"
#include "probe.hpp"
#include "watching.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind in_epoll{"epoll_wait()", outside::kernel, nullptr, handler_ends::always};

struct epoll_question {
    int set;
    epoll_event* events;
    int room;
    const sigset_t* mask;
};

int wait_on_fiber(const epoll_question& q, deadline until) noexcept {
    pending_signals opened;
    int n = 0;
    const watched how = watch_until(
        in_epoll, q.events, until,
        [&](int closed) {
            if (closed >= 0) {
                errno = EBADF;
                n = -1;
                return true;
            }
            n = real::epoll_wait(q.set, q.events, q.room, 0);
            // Without time to wait the kernel does not look at signals.
            if (n == 0 && run_handlers_of(q.mask)) n = -1;
            return n != 0;
        },
        [&](watch_list& places) {
            places.add(q.set, direction::read);
            opened.watch_opened(places, q.mask);
            return true;
        });
    take_turn();
    return how == watched::failed ? -1 : n;
}

int wait_ms(const epoll_question& q, int timeout_ms) noexcept {
    if (q.mask != nullptr && !may_be_read(q.mask, sizeof(unsigned long)))
        return real::epoll_pwait(q.set, q.events, q.room, 0, q.mask);
    return wait_on_fiber(
        q, timeout_ms < 0 ? deadline::never() : deadline(std::chrono::milliseconds(timeout_ms)));
}

int wait_ns(const epoll_question& q, const timespec* timeout) noexcept {
    const timespec none{};
    if (q.mask != nullptr && !may_be_read(q.mask, sizeof(unsigned long)))
        return real::epoll_pwait2(q.set, q.events, q.room, &none, q.mask);
    if (timeout != nullptr && (!may_be_read(timeout, sizeof *timeout) || !is_valid(*timeout)))
        return real::epoll_pwait2(q.set, q.events, q.room, timeout, q.mask);
    return wait_on_fiber(q, deadline_after(timeout));
}

int note_set(int fd) noexcept {
    if (fd >= 0 && owns_table()) note_created(fd, descriptor_kind::pipe, 0);
    return fd;
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int epoll_create(int size) noexcept { return note_set(real::epoll_create(size)); }

int epoll_create1(int flags) noexcept { return note_set(real::epoll_create1(flags)); }

int epoll_wait(int set, epoll_event* events, int room, int timeout_ms) {
    return on_fiber(family::poll) ? wait_ms({set, events, room, nullptr}, timeout_ms)
                                  : real::epoll_wait(set, events, room, timeout_ms);
}

int epoll_pwait(int set, epoll_event* events, int room, int timeout_ms, const sigset_t* mask) {
    return on_fiber(family::poll) ? wait_ms({set, events, room, mask}, timeout_ms)
                                  : real::epoll_pwait(set, events, room, timeout_ms, mask);
}

int epoll_pwait2(int set, epoll_event* events, int room, const timespec* timeout,
                 const sigset_t* mask) {
    return on_fiber(family::poll) ? wait_ns({set, events, room, mask}, timeout)
                                  : real::epoll_pwait2(set, events, room, timeout, mask);
}
}
