// Transfers of regular files, which neither park nor tell readiness.
#pragma once

#include "calls.hpp"
#include "off_the_loop.hpp"

namespace ramie::monkey::detail {

// The plain transfer of what never makes anyone wait, unless for its disk. Suspends the calling
// fiber when files are patched.
template <class Call>
ssize_t transfer_plain(Call call) noexcept {
    return on_fiber(family::file) ? off_the_loop(call) : call();
}

}  // namespace ramie::monkey::detail
