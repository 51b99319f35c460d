// poll and ppoll.

#include <poll.h>

#include <algorithm>

#include "pending_signals.hpp"
#include "probe.hpp"
#include "watching.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind in_poll{"poll()", outside::kernel, nullptr, handler_ends::always};

bool watch_all(watch_list& places, const pollfd* fds, unsigned count) noexcept {
    if (!places.reserve(2 * std::size_t{count} + 1)) return false;
    for (unsigned i = 0; i != count; ++i) {
        if (fds[i].fd < 0) continue;
        places.add(fds[i].fd, direction::read);
        if ((fds[i].events & POLLOUT) != 0) places.add(fds[i].fd, direction::write);
    }
    return true;
}

// What is told of a number that was closed, whatever it means by now. How many are told of
// anything.
int tell_of_closed(pollfd* fds, unsigned count, int closed) noexcept {
    for (unsigned i = 0; i != count; ++i)
        if (fds[i].fd == closed) fds[i].revents = POLLNVAL;
    return static_cast<int>(
        std::count_if(fds, fds + count, [](const pollfd& each) { return each.revents != 0; }));
}

// `ask` is the plain call that does not wait.
template <class Ask>
int poll_on_fiber(pollfd* fds, nfds_t asked, deadline until, const sigset_t* mask,
                  Ask ask) noexcept {
    // The kernel looks no further.
    const auto count = static_cast<unsigned>(asked);
    pending_signals opened;
    int n = 0;
    const watched how = watch_until(
        in_poll, fds, until,
        [&](int closed) {
            // What is ready, refused or not to be waited for needs no parking; and a wake-up may
            // have come from what is over. The kernel decides.
            n = ask();
            if (n >= 0 && closed >= 0) n = tell_of_closed(fds, count, closed);
            return n != 0;
        },
        [&](watch_list& places) {
            if (!watch_all(places, fds, count)) return false;
            opened.watch_opened(places, mask);
            return true;
        });
    take_turn();
    return how == watched::failed ? -1 : n;
}

int poll_ms(pollfd* fds, nfds_t count, int timeout_ms) noexcept {
    const deadline until =
        timeout_ms < 0 ? deadline::never() : deadline(std::chrono::milliseconds(timeout_ms));
    return poll_on_fiber(fds, count, until, nullptr, [=] {
        return ask_undisturbed([=] { return real::poll(fds, count, 0); });
    });
}

int poll_ns(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) noexcept {
    if (timeout != nullptr && (!may_be_read(timeout, sizeof *timeout) || !is_valid(*timeout)))
        return real::ppoll(fds, count, timeout, mask);
    const timespec none{};
    if (mask != nullptr && !may_be_read(mask, sizeof(unsigned long)))
        return real::ppoll(fds, count, &none, mask);
    return poll_on_fiber(fds, count, deadline_after(timeout), mask, [&] {
        const auto ask = [&] { return real::ppoll(fds, count, &none, mask); };
        if (mask == nullptr) return ask_undisturbed(ask);
        const signals_are_own own(mask);
        return ask();
    });
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int poll(pollfd* fds, nfds_t count, int timeout_ms) {
    return on_fiber(family::poll) ? poll_ms(fds, count, timeout_ms)
                                  : real::poll(fds, count, timeout_ms);
}

[[gnu::alias("poll")]] int __poll(pollfd* fds, nfds_t count, int timeout_ms);

int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
    return on_fiber(family::poll) ? poll_ns(fds, count, timeout, mask)
                                  : real::ppoll(fds, count, timeout, mask);
}

// Too small a buffer: the checked originals end the process.

int __poll_chk(pollfd* fds, nfds_t count, int timeout_ms, size_t room) {
    if (!on_fiber(family::poll) || room / sizeof *fds < count)
        return real::__poll_chk(fds, count, timeout_ms, room);
    return poll_ms(fds, count, timeout_ms);
}

int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask,
                size_t room) {
    if (!on_fiber(family::poll) || room / sizeof *fds < count)
        return real::__ppoll_chk(fds, count, timeout, mask, room);
    return poll_ns(fds, count, timeout, mask);
}
}
