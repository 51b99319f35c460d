// The ready queue: a FIFO ring whose contents can be looked at ahead, so that the fibers next in
// line can be prefetched. Room is made when a fiber is spawned, so a push never allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ramie/detail/fiber_core.hpp"

namespace ramie::detail {

class ready_ring {
  public:
    [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
    [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }

    void push(fiber_core& f) noexcept { slots_[tail_++ & mask_] = &f; }
    void clear() noexcept { head_ = tail_; }
    fiber_core& pop() noexcept { return *slots_[head_++ & mask_]; }

    // The one `distance` places behind the head.
    [[nodiscard]] fiber_core& peek(std::uint32_t distance) const noexcept {
        return *slots_[(head_ + distance) & mask_];
    }

    // Lets that one go first; the others keep their order.
    void bring_forward(std::uint32_t distance) noexcept {
        fiber_core* const first = &peek(distance);
        for (std::uint32_t i = head_ + distance; i != head_; --i)
            slots_[i & mask_] = slots_[(i - 1) & mask_];
        slots_[head_ & mask_] = first;
    }

    // A place in the queue: passed once everything that is ready now has been taken.
    [[nodiscard]] std::uint32_t mark() const noexcept { return tail_; }
    [[nodiscard]] bool passed(std::uint32_t mark) const noexcept {
        return static_cast<std::int32_t>(mark - head_) <= 0;
    }

    // Fetch what a switch to the one `distance` places behind the head will touch: its block, and
    // later, when that is there, the frame it left.
    void prefetch_block(std::uint32_t distance) const noexcept {
        // A stale address does no harm.
        const fiber_core* const f = slots_[(head_ + distance) & mask_];
        if (f != nullptr) __builtin_prefetch(&f->state);
    }
    void prefetch_stack(std::uint32_t distance) const noexcept {
        if (distance < size()) __builtin_prefetch(peek(distance).stack_pointer);
    }

    // Makes room for `count` fibers in all. Throws std::bad_alloc.
    void reserve(std::size_t count) {
        if (count <= capacity()) return;
        std::size_t wanted = capacity();
        while (wanted < count) wanted *= 2;
        auto larger = std::make_unique<fiber_core*[]>(wanted);
        const auto mask = static_cast<std::uint32_t>(wanted - 1);
        // Every fiber keeps its number: a mark stays valid.
        for (std::uint32_t i = head_; i != tail_; ++i) larger[i & mask] = slots_[i & mask_];
        slots_ = std::move(larger);
        mask_ = mask;
    }

  private:
    static constexpr std::uint32_t initial = 64;
    [[nodiscard]] std::size_t capacity() const noexcept { return std::size_t{mask_} + 1; }

    std::unique_ptr<fiber_core*[]> slots_ = std::make_unique<fiber_core*[]>(initial);
    std::uint32_t mask_ = initial - 1;
    std::uint32_t head_ = 0;
    std::uint32_t tail_ = 0;
};

}  // namespace ramie::detail
