// Marks that a fiber is inside of a call. It stays behind when the object around it is moved: the
// new place is free. Never suspends.
#pragma once

namespace ramie::net::detail {

struct turn {
    bool taken = false;

    turn() noexcept = default;
    turn(const turn&) noexcept {}
    turn& operator=(const turn&) noexcept {
        taken = false;
        return *this;
    }
};

}  // namespace ramie::net::detail
