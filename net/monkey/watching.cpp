#include "watching.hpp"

#include <algorithm>
#include <new>

namespace ramie::monkey::detail {

bool watch_list::reserve(std::size_t places) noexcept {
    if (places <= few_.size()) return true;
    many_.reset(new (std::nothrow) place[places]);
    first_ = next_ = many_.get();
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
    next_->file.emplace(*d->facts);
    next_->fd = fd;
    add(d->waiting(dir));
}

void watch_list::add(wait_queue& queue) noexcept {
    waiter& mine = (next_++)->in_queue.emplace(*current_fiber);
    mine.on_wake = [](waiter&) noexcept { return false; };
    queue.enqueue(mine);
}

int watch_list::closed() const noexcept {
    const place* const lost = std::find_if(
        first_, next_, [](const place& each) { return each.file && !each.file->holds(); });
    return lost == next_ ? -1 : lost->fd;
}

wake watch_list::park(const wait_kind& kind, const void* object, deadline until) noexcept {
    using namespace std::chrono_literals;
    return park_fiber(kind, object, is_complete_ ? until : std::min(until, deadline(10ms)));
}

}  // namespace ramie::monkey::detail
