#include "ramie/detail/remote_waiter.hpp"

#include "scheduler.hpp"

namespace ramie::detail {

remote_waiter::remote_waiter() noexcept
    : fiber_(current_fiber), home_(current_scheduler), box_(current_scheduler->post_box()) {}

remote_waiter::~remote_waiter() {
    while (on_its_way_.load(std::memory_order_acquire)) home_->run_wakes();
}

wake remote_waiter::park(const wait_kind& kind, const void* object, deadline until,
                         bool shielded) noexcept {
    const std::uint8_t shield = shielded ? 1 : 0;
    fiber_->shields = static_cast<std::uint8_t>(fiber_->shields + shield);
    const wake reason = home_->park(kind, object, until);
    fiber_->shields = static_cast<std::uint8_t>(fiber_->shields - shield);
    return reason;
}

void remote_waiter::wake_up() noexcept {
    // The fiber may be gone as soon as the box has this.
    const std::shared_ptr<mailbox> box = box_;
    if (!on_its_way_.exchange(true, std::memory_order_acq_rel)) box->wake(*this);
}

void remote_waiter::wake_up_here() noexcept { home_->grant(*fiber_, wake::granted); }

bool remote_waiter::is_of_this_thread() const noexcept { return home_ == current_scheduler; }

void mailbox::wake(remote_waiter& who) noexcept {
    who.next_ = wakes_.load(std::memory_order_relaxed);
    while (!wakes_.compare_exchange_weak(who.next_, &who, std::memory_order_seq_cst)) continue;
    scheduler* const here = current_scheduler;
    // A fiber of this thread comes by the box before the thread sleeps.
    if (here != nullptr && current_fiber != nullptr && here->post_box().get() == this)
        here->look_at_mailbox_soon();
    else
        ring();
}

// In the order of waking.
void mailbox::run_wakes() noexcept {
    remote_waiter* first = wakes_.exchange(nullptr, std::memory_order_acquire);
    remote_waiter* in_order = nullptr;
    while (first != nullptr) {
        remote_waiter* const next = first->next_;
        first->next_ = in_order;
        in_order = first;
        first = next;
    }
    while (in_order != nullptr) {
        remote_waiter& each = *in_order;
        in_order = each.next_;
        each.on_its_way_.store(false, std::memory_order_release);
        each.wake_up_here();
    }
}

}  // namespace ramie::detail
