// For how long a transfer has been waiting, found out by looking now and then: a transfer itself
// takes no note of the time and sets no timer.
#pragma once

#include <cstdint>

#include "ramie/detail/descriptors.hpp"
#include "ramie/detail/fiber_core.hpp"

namespace ramie::detail {

// Of one descriptor in one direction.
class stall_watch {
  public:
    // Looks who is next to read or write. If that is who a look at least `limit` nanoseconds ago
    // has seen, in the same wait, and the wait has no deadline of its own, it ends with
    // timeout_expired: true. Never suspends.
    bool look(descriptor&, direction, std::int64_t now, std::int64_t limit) noexcept;

  private:
    // Like that of a `timeout`, it lasts until it is thrown.
    struct expiry final : interrupt {
        [[noreturn]] void raise() override;
        [[nodiscard]] int error_number() const noexcept override;
    };

    bool end(fiber_core&, direction) noexcept;

    std::int64_t since_ = 0;  // when this wait was seen first
    expiry expiry_;
};

}  // namespace ramie::detail
