// Which fiber has a lock. Never suspends.
#pragma once

#include <cstdint>
#include <string>

#include "ramie/detail/fiber_core.hpp"

namespace ramie::detail {

// Who has something. A fiber may end without giving it back, and the next one on its stack, which
// has the same address, does not have it.
class holder {
  public:
    [[nodiscard]] bool is_somebody() const noexcept { return fiber_ != nullptr; }
    [[nodiscard]] bool is_caller() const noexcept {
        return fiber_ != nullptr && fiber_ == current_fiber && id_ == current_fiber->id;
    }
    void set(const fiber_core& f) noexcept {
        fiber_ = &f;
        id_ = f.id;
    }
    void clear() noexcept { fiber_ = nullptr; }
    // Appends " held by fiber 3".
    void describe(std::string& out) const;

  private:
    const fiber_core* fiber_ = nullptr;
    std::uint64_t id_ = 0;
};

}  // namespace ramie::detail
