#include "timer_wheel.hpp"

#include <utility>

namespace ramie::detail {

timer_wheel::timer_wheel(std::int64_t now_ns) noexcept : tick_(tick_of(now_ns)) {
    for (timer_link& head : lists_) head.prev_ = head.next_ = &head;
}

// Of two levels, the lower one holds the earlier timers: they share more digits with the current
// tick. Within a level, no slot before the current digit is occupied.
timer_wheel::slot timer_wheel::first_slot() const noexcept {
    std::size_t level = 0;
    while (level < levels && occupied_[level] == 0) ++level;
    if (level == levels) return {levels, 0, std::numeric_limits<std::uint64_t>::max()};

    const auto digit = static_cast<std::size_t>(std::countr_zero(occupied_[level]));
    const std::size_t shift = level * digit_bits;
    const std::uint64_t higher_digits = tick_ >> shift >> digit_bits << digit_bits;
    return {level, level * slots_per_level + digit, (higher_digits | digit) << shift};
}

std::int64_t timer_wheel::next() const noexcept {
    constexpr auto never = std::numeric_limits<std::int64_t>::max();
    if (size_ == 0) return never;
    if (unfinished_) return start_of(tick_);
    const slot first = first_slot();
    if (first.level == levels) return never;
    if (first.level != 0) return start_of(first.tick);

    std::int64_t earliest = never;
    const timer_link& head = lists_[first.list];
    for (timer_link* link = head.next_; link != &head; link = link->next_)
        earliest = std::min(earliest, node_at(*link).when_);
    return earliest;
}

// First all that is due is collected, then it is expired: so an expire function finds the wheel in
// order, and what it sets cannot prolong this advance().
std::size_t timer_wheel::advance(std::int64_t now_ns, std::size_t portion) noexcept {
    unfinished_ = is_empty(due_list) && !collect(now_ns, portion);
    std::size_t expired = 0;
    for (; !is_empty(due_list) && expired != portion; ++expired) {
        timer_node& node = node_at(*lists_[due_list].next_);
        cancel(node);
        node.expire_(node);
    }
    unfinished_ = unfinished_ || !is_empty(due_list);
    return expired;
}

// False when the portion did not suffice.
bool timer_wheel::collect(std::int64_t now_ns, std::size_t portion) noexcept {
    const std::uint64_t last_tick = std::max(tick_of(now_ns), tick_);
    for (;;) {
        if (spreading_ != due_list) spread(portion);
        if (portion == 0) return false;
        spreading_ = due_list;
        const slot first = first_slot();
        tick_ = std::min(first.tick, last_tick);
        if (first.tick > last_tick) return true;
        if (first.level != 0) {
            spreading_ = first.list;
            continue;
        }
        portion -= std::min(portion, take_due(first.list, now_ns));
        if (first.tick == last_tick) return true;  // what is left there is due later in this tick
    }
}

std::size_t timer_wheel::take_due(std::size_t list, std::int64_t now_ns) noexcept {
    timer_link& last = *lists_[due_list].prev_;
    bool in_order = true;
    std::size_t taken = 0;
    std::int64_t previous = std::numeric_limits<std::int64_t>::min();
    timer_link& head = lists_[list];
    for (timer_link* link = head.next_; link != &head;) {
        timer_node& node = node_at(*link);
        link = link->next_;
        if (node.when_ > now_ns) continue;
        unlink(node);
        insert(node, due_list, *lists_[due_list].prev_, lists_[due_list]);
        ++taken;
        in_order = in_order && previous <= node.when_;
        previous = node.when_;
    }
    if (!in_order) sort_due_after(last);
    return taken;
}

void timer_wheel::sort_due_after(timer_link& last) noexcept {
    timer_link& head = lists_[due_list];
    head.prev_->next_ = nullptr;
    last.next_ = sorted(last.next_);
    timer_link* end = &last;
    for (; end->next_ != nullptr; end = end->next_) end->next_->prev_ = end;
    end->next_ = &head;
    head.prev_ = end;
}

void timer_wheel::spread(std::size_t& portion) noexcept {
    for (; !is_empty(spreading_) && portion != 0; --portion) {
        timer_node& node = node_at(*lists_[spreading_].prev_);
        unlink(node);
        const std::size_t list = list_for(node);
        insert(node, list, lists_[list], *lists_[list].next_);
    }
}

// A stable merge sort: a slot may hold any number of timers. It works on chains, which end in null
// and have no way back; runs[i] is a sorted chain of 2^i timers or null.
timer_link* timer_wheel::sorted(timer_link* chain) noexcept {
    std::array<timer_link*, 64> runs{};
    while (chain != nullptr) {
        timer_link* run = std::exchange(chain, chain->next_);
        run->next_ = nullptr;
        std::size_t i = 0;
        for (; runs[i] != nullptr; ++i) run = merge(std::exchange(runs[i], nullptr), run);
        runs[i] = run;
    }
    timer_link* all = nullptr;
    for (timer_link* run : runs) all = merge(run, all);
    return all;
}

timer_link* timer_wheel::merge(timer_link* first, timer_link* second) noexcept {
    timer_link* merged = nullptr;
    timer_link** end = &merged;
    while (first != nullptr && second != nullptr) {
        timer_link*& earlier = node_at(*second).when_ < node_at(*first).when_ ? second : first;
        *end = earlier;
        end = &earlier->next_;
        earlier = earlier->next_;
    }
    *end = first != nullptr ? first : second;
    return merged;
}

}  // namespace ramie::detail
