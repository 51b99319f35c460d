#include "watching.hpp"

#include <algorithm>
#include <new>

namespace ramie::monkey::detail {

bool watch_list::reserve(std::size_t places) noexcept {
    if (places <= few_.size()) return true;
    many_.reset(new (std::nothrow) std::optional<waiter>[places]);
    next_ = many_.get();
    if (many_ == nullptr) errno = ENOMEM;
    return many_ != nullptr;
}

void watch_list::add(int fd, direction dir) noexcept {
    descriptor* const d = descriptor_of(fd);
    if (d == nullptr || !watch(*d, fd, dir)) {
        // A regular file that is not ready for what is asked never will be; a number that is
        // closed by now, or an epoll set in as many others as there may be, is to be looked at.
        if (d == nullptr || errno != EPERM) look_again();
        return;
    }
    add(d->waiting(dir));
}

void watch_list::add(wait_queue& queue) noexcept {
    std::optional<waiter>& place = *next_++;
    place.emplace(*current_fiber).on_wake = [](waiter&) noexcept { return false; };
    queue.enqueue(*place);
}

wake watch_list::park(const wait_kind& kind, const void* object, deadline until) noexcept {
    using namespace std::chrono_literals;
    return park_fiber(kind, object, is_complete_ ? until : std::min(until, deadline(10ms)));
}

}  // namespace ramie::monkey::detail
