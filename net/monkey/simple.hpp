// The short way of most patched calls: a plain transfer on a blocking TCP socket that this process
// made and that has no timeouts needs none of the questions that the other calls ask.
#pragma once

#include "descriptor_kind.hpp"
#include "ramie/detail/transfer.hpp"

namespace ramie::monkey::detail {

// The descriptor, when a call in this direction may take the short way; else null.
inline descriptor* simple_descriptor(int fd, direction dir) noexcept {
    descriptor* const d = descriptor_of(fd);
    if (d == nullptr) [[unlikely]]
        return nullptr;
    const descriptor_facts& facts = *d->facts;
    const bool is_simple =
        (facts.simple.load(std::memory_order_relaxed) & static_cast<std::uint8_t>(dir)) != 0 &&
        facts.fork_epoch.load(std::memory_order_relaxed) == fork_epoch();
    return is_simple ? d : nullptr;
}

template <class Attempt>
__attribute__((always_inline)) inline ssize_t transfer_simply(descriptor& d, int fd, direction dir,
                                                              std::size_t wanted,
                                                              Attempt attempt) noexcept {
    return transfer<called_by::libc>(d, fd, dir, wanted, deadline::never(), attempt).count;
}

}  // namespace ramie::monkey::detail
