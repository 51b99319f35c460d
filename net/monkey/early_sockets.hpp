// Which libraries made sockets before the calls were patched.
#pragma once

#include <atomic>

namespace ramie::monkey::detail {

// How many there were.
inline constinit std::atomic<unsigned> early_sockets{0};

// `caller` is an address in what made `fd`. Keeps the last few.
void note_early_socket(int fd, const void* caller) noexcept;

// A line on stderr for each library one of whose sockets is still open; the program's own are its
// own business.
void name_early_sockets() noexcept;
inline void warn_of_early_sockets() noexcept {
    if (early_sockets != 0) name_early_sockets();
}

}  // namespace ramie::monkey::detail
