#include "off_the_loop.hpp"

#include <cerrno>

#include "calls.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/thread_pool.hpp"

namespace ramie::monkey::detail {

void call_off_the_loop(void (*call)(void* of) noexcept, void* of) noexcept {
    fiber_core& self = *current_fiber;
    ++self.shields;
    int error = errno;
    try {
        default_thread_pool().run([=, &error]() noexcept {
            errno = error;
            call(of);
            error = errno;
        });
        errno = error;
    } catch (...) {  // no thread, or no memory for one
        errno = error;
        call(of);
    }
    --self.shields;
}

}  // namespace ramie::monkey::detail
