#include "ramie/shield.hpp"

#include <stdexcept>

namespace ramie {

namespace {

detail::fiber_core& fiber_to_shield() {
    // The counter has room for 255, and some are the library's own.
    constexpr std::uint8_t deepest = 100;
    detail::fiber_core& f = detail::waiting_fiber("a shield");
    if (f.shields >= deepest)
        throw std::length_error("ramie: shields nest a hundred deep; this is a recursion");
    return f;
}

}  // namespace

shield::shield() : scope_(fiber_to_shield()) {}

}  // namespace ramie
