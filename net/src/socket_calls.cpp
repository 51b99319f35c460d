#include "socket_calls.hpp"

#include <stdexcept>
#include <system_error>

#include "ramie/errors.hpp"
#include "ramie/post.hpp"

namespace ramie::net {

void enter_fiber(const char* call) {
    static_cast<void>(this_scheduler());
    if (ramie::detail::current_fiber == nullptr)
        throw std::logic_error(std::string("ramie: ") + call +
                               "a socket would block the loop: it was called from a posted "
                               "function or an Asio handler; spawn a fiber for it");
}

void fail(const transferred& got, const char* call, const endpoint& peer) {
    const int error = errno;
    if (is_closed(got)) fail(EBADF, std::string(call) + "a socket that is closed");
    if (got.reason() == wake::interrupted) ramie::detail::raise_interrupt();
    if (got.reason() == wake::timed_out) throw timeout_expired(call + peer.to_string());
    const char* remark = error == EBUSY ? ", which another fiber does already" : "";
    fail(error, call + peer.to_string() + remark);
}

void fail(int error, const std::string& what) {
    throw std::system_error(error, std::generic_category(), what);
}

}  // namespace ramie::net
