#include "ramie/latch.hpp"

#include <stdexcept>

#include "scheduler.hpp"

namespace ramie {

namespace {

constexpr detail::wait_kind a_latch{"a latch"};
constexpr detail::wait_kind a_barrier{"a barrier"};

}  // namespace

void latch::count_down(std::size_t n) {
    if (n > count_) throw std::logic_error("ramie: a latch is counted down below zero");
    count_ -= n;
    if (count_ == 0) waiters_.wake_all();
}

bool latch::wait(deadline until) {
    if (try_wait()) return true;
    return detail::wait_for_turn(waiters_, a_latch, this, until, [this] { return try_wait(); });
}

barrier::barrier(std::size_t count, std::function<void()> completion)
    : count_(count), completion_(std::move(completion)) {
    if (count == 0) throw std::invalid_argument("ramie: a barrier for nobody");
}

void barrier::open() {
    if (completion_ != nullptr) completion_();
    arrived_ = 0;
    ++phase_;
    waiters_.wake_all();
}

bool barrier::arrive_and_wait(deadline until) {
    if (arrived_ + 1 >= count_) {
        open();
        return true;
    }
    detail::waiting_fiber(a_barrier.what);  // throws before it has arrived
    const std::size_t phase = phase_;
    ++arrived_;
    try {
        if (detail::wait_for_turn(waiters_, a_barrier, this, until, [] { return true; }))
            return true;
    } catch (const detail::wait_target_destroyed&) {
        throw;
    } catch (...) {
        if (phase == phase_) --arrived_;
        throw;
    }
    if (phase != phase_) return true;
    --arrived_;
    return false;
}

void barrier::arrive_and_drop() {
    if (count_ == arrived_) throw std::logic_error("ramie: nobody is left to arrive at a barrier");
    --count_;
    if (arrived_ != 0 && arrived_ == count_) open();
}

}  // namespace ramie
