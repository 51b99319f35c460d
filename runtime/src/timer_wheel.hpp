// The timers of one scheduler: a hierarchical timing wheel (G. Varghese and T. Lauck, "Hashed and
// Hierarchical Timing Wheels", SOSP 1987, scheme 7), O(1) to set and to cancel. It allocates
// nothing, reads no clock and is for one thread.
//
//     timer_wheel wheel(now);
//     wheel.set(node, now + 5'000'000'000);
//     sleep_until(wheel.next());
//     wheel.advance(current_time());  // calls node's expire function if its time has come
//
// Time is cut into ticks of 2^16 ns. A tick number has 48 bits, read as eight digits of six bits; a
// level has one slot for each value of its digit. A timer is in the level of the highest digit in
// which its tick differs from the current tick, in the slot of its own digit there. That place
// depends on nothing else, so timers with equal deadlines are always in one list, in order of set.
// When the current tick enters a slot of a higher level, the slot's timers move to lower levels.
// There may be a million of them, so that is done in portions: what is set meanwhile for a tick of
// that slot goes behind those that have not moved yet.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ramie/detail/timer_node.hpp"

namespace ramie::detail {

class timer_wheel {
  public:
    explicit timer_wheel(std::int64_t now_ns) noexcept;
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;

    /// Arms the node, or arms it anew. Any deadline will do: one that has passed expires in the
    /// next advance(). O(1).
    void set(timer_node& node, std::int64_t when_ns) noexcept {
        cancel(node);
        node.when_ = when_ns;
        place(node);
        ++size_;
    }

    /// Harmless when the node is not armed. The node must not be in another wheel. O(1).
    void cancel(timer_node& node) noexcept {
        if (!node.armed()) return;
        unlink(node);
        node.prev_ = node.next_ = nullptr;
        --size_;
    }

    /// The next moment at which advance() has something to do (a timer to expire or a slot to
    /// spread): never later than the earliest deadline; INT64_MAX when empty. O(1) apart from the
    /// scan of one slot of the lowest level. Inside an expire function, timers that the running
    /// advance() is still to expire do not count.
    std::int64_t next() const noexcept;

    /// Expires every timer with a deadline <= now_ns, by deadline and then by order of set; returns
    /// how many. What an expire function sets, even to the past, waits for the next advance(). At
    /// most `portion` timers are expired, and about as many moved to lower levels; if that does not
    /// suffice, next() is not later than now_ns and the next advance() goes on where this one
    /// stopped, before it turns to what was set since.
    std::size_t advance(std::int64_t now_ns, std::size_t portion = unlimited) noexcept;

    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

  private:
    static constexpr unsigned tick_bits = 16;
    static constexpr unsigned digit_bits = 6;
    static constexpr std::size_t slots_per_level = std::size_t{1} << digit_bits;
    static constexpr std::size_t levels = (64 - tick_bits) / digit_bits;
    // One list after the slots, its bit in a bitmap of its own: what advance() is about to expire.
    static constexpr std::size_t due_list = levels * slots_per_level;
    static_assert(levels * digit_bits + tick_bits == 64, "every deadline has a slot");

    static constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;

    // The flipped sign bit makes unsigned order the order of time.
    static std::uint64_t tick_of(std::int64_t ns) noexcept {
        return (static_cast<std::uint64_t>(ns) ^ sign_bit) >> tick_bits;
    }
    static std::int64_t start_of(std::uint64_t tick) noexcept {
        return static_cast<std::int64_t>((tick << tick_bits) ^ sign_bit);
    }
    static timer_node& node_at(timer_link& link) noexcept { return static_cast<timer_node&>(link); }

    void place(timer_node& node) noexcept {
        const std::size_t list = list_for(node);
        insert(node, list, *lists_[list].prev_, lists_[list]);
    }

    std::size_t list_for(const timer_node& node) const noexcept {
        const std::uint64_t tick = std::max(tick_of(node.when_), tick_);
        const auto highest_bit = static_cast<unsigned>(std::bit_width((tick ^ tick_) | 1)) - 1;
        const unsigned level = highest_bit / digit_bits;
        return level * slots_per_level + (tick >> level * digit_bits) % slots_per_level;
    }

    void insert(timer_node& node, std::size_t list, timer_link& prev, timer_link& next) noexcept {
        node.prev_ = &prev;
        node.next_ = &next;
        prev.next_ = &node;
        next.prev_ = &node;
        occupied_[list / slots_per_level] |= std::uint64_t{1} << list % slots_per_level;
    }

    void unlink(timer_node& node) noexcept {
        node.prev_->next_ = node.next_;
        node.next_->prev_ = node.prev_;
        // Alone in its list, a node has the list's head on both sides.
        if (node.prev_ == node.next_) {
            const auto list = static_cast<std::size_t>(node.next_ - lists_.data());
            occupied_[list / slots_per_level] &= ~(std::uint64_t{1} << list % slots_per_level);
        }
    }

    struct slot {
        std::size_t level;
        std::size_t list;
        std::uint64_t tick;  // its first; beyond every tick if there is no occupied slot
    };

    bool is_empty(std::size_t list) const noexcept { return lists_[list].next_ == &lists_[list]; }
    slot first_slot() const noexcept;
    bool collect(std::int64_t now_ns, std::size_t portion) noexcept;
    std::size_t take_due(std::size_t list, std::int64_t now_ns) noexcept;
    void sort_due_after(timer_link& last) noexcept;
    static timer_link* sorted(timer_link* chain) noexcept;
    static timer_link* merge(timer_link* first, timer_link* second) noexcept;
    void spread(std::size_t& portion) noexcept;

    std::uint64_t tick_;
    std::size_t size_ = 0;
    std::size_t spreading_ = due_list;  // the list of the slot that was entered last
    bool unfinished_ = false;           // the last advance() left something due, or to be spread
    std::array<std::uint64_t, levels + 1> occupied_{};
    std::array<timer_link, due_list + 1> lists_;
};

}  // namespace ramie::detail
