// The short way of most patched calls: a plain transfer on a blocking TCP socket that this process
// made and that has no timeouts needs none of the questions that the other calls ask.
#pragma once

#include "descriptor_kind.hpp"

namespace ramie::monkey::detail {

// The descriptor, when a call in this direction may take the short way; else null. Calls nothing:
// what this thread has not looked at yet goes the long way.
inline descriptor* simple_descriptor(int fd, direction dir) noexcept {
    descriptor* const d = known_descriptor(fd);
    if (d == nullptr) [[unlikely]]
        return nullptr;
    const auto simple = d->facts->simple.load(std::memory_order_relaxed);
    return (simple & static_cast<std::uint8_t>(dir)) != 0 ? d : nullptr;
}

}  // namespace ramie::monkey::detail
