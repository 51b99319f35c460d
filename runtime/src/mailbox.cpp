#include "mailbox.hpp"

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace ramie::detail {

mailbox::mailbox() : event_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (event_fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "ramie: eventfd of a scheduler");
}

mailbox::~mailbox() { syscall(SYS_close, event_fd_); }

bool mailbox::post(std::function<void()> f) {
    const std::lock_guard guard(mutex_);
    if (closed_) return false;
    posted_.push_back(std::move(f));
    if (!filled_.exchange(true)) {
        // The plain call, not the one that may be patched: this can run on any thread. It cannot
        // fail: the counter never overflows, since it is set once for each emptying.
        const std::uint64_t one = 1;
        syscall(SYS_write, event_fd_, &one, sizeof one);
    }
    return true;
}

std::vector<std::function<void()>> mailbox::take() {
    if (!filled_.load(std::memory_order_acquire)) return {};
    const std::lock_guard guard(mutex_);
    std::uint64_t count = 0;
    syscall(SYS_read, event_fd_, &count, sizeof count);
    filled_ = false;
    return std::exchange(posted_, {});
}

void mailbox::close() {
    std::vector<std::function<void()>> dropped;
    {
        const std::lock_guard guard(mutex_);
        closed_ = true;
        dropped.swap(posted_);
    }
}

namespace {

std::mutex registry_mutex;
std::vector<std::weak_ptr<mailbox>> registry;

}  // namespace

std::shared_ptr<mailbox> make_mailbox() {
    auto made = std::make_shared<mailbox>();
    const std::lock_guard guard(registry_mutex);
    std::erase_if(registry, [](const auto& known) { return known.expired(); });
    registry.push_back(made);
    return made;
}

std::vector<std::shared_ptr<mailbox>> all_mailboxes() {
    std::vector<std::shared_ptr<mailbox>> alive;
    const std::lock_guard guard(registry_mutex);
    for (const auto& known : registry)
        if (auto box = known.lock()) alive.push_back(std::move(box));
    return alive;
}

}  // namespace ramie::detail
