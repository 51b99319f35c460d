// Memory that a caller names and that ours would read before the kernel does: a bad pointer fails
// the call with EFAULT there, and must not end the program here.
#pragma once

#include <cstddef>

namespace ramie::monkey::detail {

// False when the kernel would answer EFAULT for it. Keeps errno.
bool may_be_read(const void* data, std::size_t size) noexcept;

}  // namespace ramie::monkey::detail
