// The orderly frame around a program of fibers.
//
//     int main() {
//         return ramie::run([] { ramie::spawn(work); ramie::this_fiber::sleep_for(1s); });
//     }   // what still runs here is killed and unwound
//
// Without run() a thread gets its scheduler at the first use, and fibers that still exist when the
// thread ends are dropped without unwinding.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include "ramie/errors.hpp"

namespace ramie {

struct run_options {
    // How long the fibers that are left may take to unwind when main has returned. The ones that
    // still live then are listed on stderr and never resumed; their stacks are not given back.
    std::chrono::nanoseconds shutdown_grace = std::chrono::seconds(10);
};

namespace detail {
int run_main(const std::function<int()>& main, const run_options&);
}

// Runs `main` (returning int or nothing) as the main fiber, on the thread's own stack; returns its
// int, or 0, or the code of a system_exit, after the fibers that are left have been killed and
// unwound. An exception that leaves `main` is rethrown after that. Throws std::logic_error when
// called inside another run() of this thread. Suspends the calling fiber.
template <class F>
requires std::is_invocable_v<F>
int run(F&& main, run_options options = {}) {
    return detail::run_main(
        [&main]() -> int {
            if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
                std::invoke(std::forward<F>(main));
                return 0;
            } else {
                return std::invoke(std::forward<F>(main));
            }
        },
        options);
}

// What to do with an exception that left a fiber nobody joined, a link, or a function posted to the
// loop. The default writes one line to stderr. Process-wide; an empty function restores the
// default; what `f` itself throws is reported the default way. Callable from any thread.
void on_unhandled_exception(std::function<void(const std::string& where, std::exception_ptr)> f);

}  // namespace ramie
