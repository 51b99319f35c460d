// How a fiber hears that a child process has changed.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>

#include <compare>
#include <cstdint>

#include "calls.hpp"

namespace ramie::monkey::detail {

// Which children, and which of their changes (WEXITED, WSTOPPED, WCONTINUED, and what says which
// children: __WALL, __WCLONE): the arguments of waitid().
struct child_set {
    idtype_t type;
    id_t id;
    int options;
    auto operator<=>(const child_set&) const = default;
};

// The wait of one call: whatever happens after it was made is not missed.
class child_change {
  public:
    explicit child_change(const child_set& of) noexcept;
    ~child_change();
    child_change(const child_change&) = delete;
    child_change& operator=(const child_change&) = delete;

    // True when a child of the set may have changed, or none is left; false with errno when an
    // interrupt ended the wait. Suspends the calling fiber.
    bool wait() noexcept;

  private:
    bool wait_for_descriptor() noexcept;
    bool wait_for_thread() noexcept;

    child_set of_;
    int process_ = -1;  // a pidfd
};

}  // namespace ramie::monkey::detail
