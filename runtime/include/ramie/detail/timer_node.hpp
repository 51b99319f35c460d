// A timer as the timer wheel sees it: a deadline and what to call when it has come. It is embedded
// in what it wakes, so arming it allocates nothing. The wheel links armed nodes by address: a node
// is neither copied nor moved, and must not be armed when it is destroyed (asserted).
//
//     struct sleeper : timer_node {
//         sleeper() : timer_node(+[](timer_node& n) noexcept { static_cast<sleeper&>(n).wake(); })
//         {} void wake() noexcept;
//     };
#pragma once

#include <cassert>
#include <cstdint>

namespace ramie::detail {

struct timer_link {
    timer_link* prev_ = nullptr;
    timer_link* next_ = nullptr;
};

struct timer_node : private timer_link {
    using expire_fn = void (*)(timer_node&) noexcept;

    /// `expire` runs inside timer_wheel::advance(), when the node is no longer armed; it may set or
    /// cancel any timer and destroy this node. Never suspends.
    explicit timer_node(expire_fn expire) noexcept : expire_(expire) {}
    timer_node(const timer_node&) = delete;
    timer_node& operator=(const timer_node&) = delete;
    ~timer_node() { assert(!armed()); }

    /// Whether a wheel holds it. Never suspends.
    bool armed() const noexcept { return next_ != nullptr; }

    /// The deadline it was last set to: steady clock, nanoseconds. Never suspends.
    std::int64_t when() const noexcept { return when_; }

  private:
    friend class timer_wheel;

    std::int64_t when_ = 0;
    expire_fn expire_;
};

static_assert(sizeof(timer_node) <= 48);

}  // namespace ramie::detail
