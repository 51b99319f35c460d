// poll: the calling fiber watches all the descriptors at once, and asks the kernel what it saw.

#include <poll.h>

#include <cerrno>
#include <memory>
#include <new>
#include <optional>

#include "calls.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind in_poll{"poll()", outside::kernel};

// The places of one fiber in the queues of many descriptors, both directions of each.
class watch_list {
  public:
    // False, with errno, when a descriptor cannot be watched or memory is short.
    bool watch(const pollfd* fds, unsigned count) noexcept {
        places_.reset(new (std::nothrow) std::optional<waiter>[2 * std::size_t{count}]);
        if (places_ == nullptr) {
            errno = ENOMEM;
            return false;
        }
        for (unsigned i = 0; i != count; ++i) {
            if (fds[i].fd < 0) continue;
            // Errors and hang-ups are always asked for: they come with readability.
            if (!add(fds[i].fd, direction::read, places_[2 * i])) return false;
            if ((fds[i].events & POLLOUT) != 0 &&
                !add(fds[i].fd, direction::write, places_[2 * i + 1]))
                return false;
        }
        return true;
    }

  private:
    static bool add(int fd, direction dir, std::optional<waiter>& place) noexcept {
        descriptor* d = descriptor_of(fd);
        if (d == nullptr) return false;
        // A regular file that is not ready for what is asked never will be.
        if (!ramie::detail::watch(*d, fd, dir)) return errno == EPERM;
        place.emplace(*current_fiber).on_wake = [](waiter&) noexcept { return false; };
        d->waiting(dir).enqueue(*place);
        return true;
    }

    std::unique_ptr<std::optional<waiter>[]> places_;
};

int poll_on_fiber(pollfd* fds, nfds_t asked, int timeout_ms) noexcept {
    // The kernel looks no further.
    const auto count = static_cast<unsigned>(asked);
    const deadline until =
        timeout_ms < 0 ? deadline::never() : deadline(std::chrono::milliseconds(timeout_ms));
    for (;;) {
        // What is ready, refused or not to be waited for needs no parking; and a wake-up may have
        // come from what is over. The kernel decides.
        const int n = real::poll(fds, count, 0);
        if (n != 0 || timeout_ms == 0 || until.expired()) {
            take_turn();
            return n;
        }
        watch_list places;
        if (!places.watch(fds, count)) return -1;
        const wake reason = park_fiber(in_poll, fds, until);
        if (reason == wake::interrupted && !was_taken_back(reason)) {
            errno = wait_error(reason);
            return -1;
        }
    }
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int poll(pollfd* fds, nfds_t count, int timeout_ms) {
    return on_fiber(family::poll) ? poll_on_fiber(fds, count, timeout_ms)
                                  : real::poll(fds, count, timeout_ms);
}

int __poll_chk(pollfd* fds, nfds_t count, int timeout_ms, size_t room) {
    // Too small a buffer: the checked original ends the process.
    if (!on_fiber(family::poll) || room / sizeof *fds < count)
        return real::__poll_chk(fds, count, timeout_ms, room);
    return poll_on_fiber(fds, count, timeout_ms);
}
}
