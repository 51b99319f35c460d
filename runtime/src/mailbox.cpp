#include "mailbox.hpp"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include "context.hpp"
#include "ramie/detail/loop_descriptors.hpp"

namespace ramie::detail {

namespace {

// Counts the forks that led to this process. A forked child has the boxes of its parent, whose
// event descriptors are the same kernel objects.
std::atomic<std::uint32_t> process_generation{0};

// For who rings in a signal handler, and so may not lock: a list that only grows.
struct bell {
    std::atomic<mailbox*> box{nullptr};
    std::atomic<int> ringing{0};
    bell* next = nullptr;
};
constinit std::atomic<bell*> bells{nullptr};

void hang_bell(mailbox& box) {
    for (bell* each = bells; each != nullptr; each = each->next) {
        mailbox* nobody = nullptr;
        if (each->box.compare_exchange_strong(nobody, &box)) return;
    }
    auto* const made = new bell;
    made->box = &box;
    made->next = bells;
    while (!bells.compare_exchange_weak(made->next, made)) continue;
}

// Waits until nobody is about to ring it any more: its descriptor is closed next.
void take_bell_down(mailbox& box) noexcept {
    for (bell* each = bells; each != nullptr; each = each->next) {
        if (each->box != &box) continue;
        each->box = nullptr;
        while (each->ringing != 0) sched_yield();
    }
}

}  // namespace

void ring_all() noexcept {
    for (bell* each = bells; each != nullptr; each = each->next) {
        each->ringing.fetch_add(1);
        if (mailbox* const box = each->box) box->ring();
        each->ringing.fetch_sub(1);
    }
}

mailbox::mailbox()
    : event_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), process_(process_generation) {
    if (event_fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "ramie: eventfd of a scheduler");
    keep_descriptor(event_fd_);
}

mailbox::~mailbox() {
    if (event_fd_ >= 0) close_descriptor();
}

void mailbox::close_descriptor() noexcept {
    take_bell_down(*this);
    give_up_descriptor(event_fd_);
    syscall(SYS_close, std::exchange(event_fd_, -1));
}

bool mailbox::is_of_parent() const noexcept { return process_ != process_generation; }

bool mailbox::post(std::function<void()> f) {
    // Before the lock: another thread of the parent may have held it during the fork.
    if (is_of_parent()) return false;
    const std::lock_guard guard(mutex_);
    if (closed_) return false;
    posted_.push_back(std::move(f));
    ring();
    return true;
}

void mailbox::ring() noexcept {
    if (filled_.exchange(true)) return;
    // The plain call, not the one that may be patched: this can run on any thread. It cannot fail
    // in the scheduler's process: the counter never overflows, set once for each emptying.
    const int saved = errno;
    const std::uint64_t one = 1;
    syscall(SYS_write, event_fd_, &one, sizeof one);
    errno = saved;
}

std::vector<std::function<void()>> mailbox::take() {
    if (!filled_.load(std::memory_order_acquire)) return {};
    const std::lock_guard guard(mutex_);
    // In this order: a handler that rings in between leaves the box filled, if not the counter, and
    // the loop does not sleep over it.
    filled_ = false;
    std::uint64_t count = 0;
    syscall(SYS_read, event_fd_, &count, sizeof count);
    return std::exchange(posted_, {});
}

void mailbox::close() {
    std::vector<std::function<void()>> dropped;
    {
        const std::lock_guard guard(mutex_);
        closed_ = true;
        close_descriptor();
        dropped.swap(posted_);
    }
}

namespace {

struct box_list {
    thread_lock mutex;
    std::vector<std::weak_ptr<mailbox>> boxes;
};

// Never destroyed: other threads may use it until the process is gone.
box_list& registry() {
    static auto* const list = new box_list;
    return *list;
}

}  // namespace

void forget_mailboxes_of_parent() noexcept {
    process_generation.fetch_add(1);
    // Another thread may have held the lock, or been in the middle of a change: it is made anew.
    leave_behind(registry().boxes.data());
    ::new (&registry()) box_list;
    for (bell* each = bells; each != nullptr; each = each->next) {
        each->box = nullptr;
        each->ringing = 0;
    }
}

std::shared_ptr<mailbox> make_mailbox() {
    auto made = std::make_shared<mailbox>();
    hang_bell(*made);
    box_list& known = registry();
    const std::lock_guard guard(known.mutex);
    std::erase_if(known.boxes, [](const auto& each) { return each.expired(); });
    known.boxes.push_back(made);
    return made;
}

std::vector<std::shared_ptr<mailbox>> all_mailboxes() {
    std::vector<std::shared_ptr<mailbox>> alive;
    box_list& known = registry();
    const std::lock_guard guard(known.mutex);
    for (const auto& each : known.boxes)
        if (auto box = each.lock()) alive.push_back(std::move(box));
    return alive;
}

}  // namespace ramie::detail
