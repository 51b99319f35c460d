// Which libraries made sockets before the calls were patched.
#pragma once

namespace ramie::monkey::detail {

// `caller` is an address in what made `fd`. Keeps the last few.
void note_early_socket(int fd, const void* caller) noexcept;

// A line on stderr for each library one of whose sockets is still open; the program's own are its
// own business.
void warn_of_early_sockets() noexcept;

}  // namespace ramie::monkey::detail
