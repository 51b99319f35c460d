// What a server knows of a connection that it serves. Nothing here suspends.
#pragma once

#include <cstdint>

#include "ramie/detail/stall_watch.hpp"
#include "ramie/fiber.hpp"

namespace ramie::net::detail {

struct connection {
    fiber_base fiber;
    int fd = -1;
    std::uint32_t generation = 0;  // of the number, for as long as it is this connection
    ramie::detail::stall_watch reading;
    ramie::detail::stall_watch writing;
    std::int64_t next_look = 0;
    bool stalled = false;  // a limit of the server has ended a wait
};

}  // namespace ramie::net::detail
