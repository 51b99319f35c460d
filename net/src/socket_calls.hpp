// What the sockets' sources share: their errors, and the entrance to every call that may wait.
#pragma once

#include <cerrno>
#include <string>

#include "ramie/detail/transfer.hpp"
#include "ramie/net/endpoint.hpp"

namespace ramie::net {

using ramie::detail::direction;
using ramie::detail::transferred;
using ramie::detail::wake;

// Makes sure that a fiber calls: on a thread without a scheduler it makes one. Throws
// std::logic_error on the loop itself, where nothing may wait.
void enter_fiber(const char* call);
inline void require_fiber(const char* call) {
    if (ramie::detail::current_fiber == nullptr) [[unlikely]]
        enter_fiber(call);
}

// The socket was closed while the fiber waited; the object may not even exist any more.
inline bool is_closed(const transferred& got) noexcept {
    return got.reason() == wake::closed && errno == EBADF;
}

// Throws what a failed transfer means; `call` ends in the word before the peer ("read from "),
// which is not looked at when the socket is closed.
[[noreturn]] void fail(const transferred&, const char* call, const endpoint& peer);

[[noreturn]] void fail(int error, const std::string& what);

}  // namespace ramie::net
