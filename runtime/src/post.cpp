#include "ramie/post.hpp"

#include <utility>

#include "mailbox.hpp"
#include "scheduler.hpp"

namespace ramie {

scheduler_handle::scheduler_handle(std::shared_ptr<detail::mailbox> box) noexcept
    : mailbox_(std::move(box)) {
    mailbox_->handles.fetch_add(1);
}

scheduler_handle::scheduler_handle(const scheduler_handle& other) noexcept
    : scheduler_handle(other.mailbox_) {}

scheduler_handle& scheduler_handle::operator=(const scheduler_handle& other) noexcept {
    scheduler_handle copy(other);
    std::swap(mailbox_, copy.mailbox_);
    return *this;
}

scheduler_handle::~scheduler_handle() { drop(); }

// The last one gone, a scheduler that waits for nothing else must look again: it may be a deadlock.
void scheduler_handle::drop() noexcept {
    if (mailbox_->handles.fetch_sub(1) == 1 && !is_current()) mailbox_->post([] {});
}

bool scheduler_handle::post(std::function<void()> f) const { return mailbox_->post(std::move(f)); }

bool scheduler_handle::is_current() const noexcept {
    const detail::scheduler* here = detail::scheduler::find();
    return here != nullptr && here->post_box() == mailbox_;
}

scheduler_handle this_scheduler() { return scheduler_handle(detail::scheduler::get().post_box()); }

}  // namespace ramie
