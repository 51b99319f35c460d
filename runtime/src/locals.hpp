// The end of a fiber's ramie::local values.
#pragma once

namespace ramie::detail {

struct fiber_core;

// A thread without locals pays one load for each fiber that ends.
extern constinit thread_local bool locals_in_use __attribute__((tls_model("initial-exec")));

void drop_locals_slowly(const fiber_core&) noexcept;
inline void drop_locals(const fiber_core& f) noexcept {
    if (locals_in_use) [[unlikely]]
        drop_locals_slowly(f);
}

}  // namespace ramie::detail
