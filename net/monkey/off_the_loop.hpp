// Calls that a slow disk makes wait: a thread of the pool makes them while the fiber waits.
#pragma once

#include <cerrno>

#include "calls.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/thread_pool.hpp"

namespace ramie::monkey::detail {

// `call()` on a thread; its result and errno. A kill or a timeout waits until it has ended: the
// call has the caller's buffers. Suspends the calling fiber.
template <class Call>
auto off_the_loop(Call call) noexcept -> decltype(call()) {
    struct outcome {
        decltype(call()) result;
        int error;
    };
    fiber_core& self = *current_fiber;
    ++self.shields;
    int error = errno;
    const auto on_thread = [&call, error]() noexcept {
        errno = error;
        const auto result = call();
        return outcome{result, errno};
    };
    auto made = [&]() noexcept {
        try {
            return default_thread_pool().run(on_thread);
        } catch (...) {
            return on_thread();  // no thread, or no memory for one
        }
    }();
    --self.shields;
    errno = made.error;
    return made.result;
}

}  // namespace ramie::monkey::detail
