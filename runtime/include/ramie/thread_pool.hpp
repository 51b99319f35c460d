// Work that would block the loop, on threads of its own.
//
//     auto digest = ramie::offload([data] { return sha256(data); });   // the fiber waits
//     ramie::thread_pool compressors(1, 4);
//     auto packed = compressors.run([block] { return zip(block); });
//
// Shared by the fibers of all threads. The work must own what it uses, not refer to the frame of
// the fiber: when that fiber is killed or times out, work that has begun goes on to its end, and
// its result is dropped. Work that has not begun then never does. In a child made by fork() a pool
// is empty and starts threads of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "ramie/async_result.hpp"
#include "ramie/detail/thread_job.hpp"

namespace ramie {

class thread_pool {
  public:
    // From `min` threads, which are kept, to `max`, which are made when there is work and end when
    // they were idle for `patience`; at most `bound` pieces of work wait. Throws
    // std::invalid_argument unless min <= max and max and bound are positive. Never suspends.
    explicit thread_pool(std::size_t min = 0, std::size_t max = 10, std::size_t bound = unlimited,
                         std::chrono::nanoseconds patience = std::chrono::seconds(5));

    // Waits, as a thread does, for the work that has begun; the rest is dropped, and whoever waits
    // for it, or for room, gets std::logic_error. Blocks the thread.
    ~thread_pool();
    thread_pool(const thread_pool&) = delete;
    thread_pool& operator=(const thread_pool&) = delete;

    // What `f()`, called on one of the threads, returns or throws. Waits while the bound is
    // reached. Work of this pool that asks for more calls it itself: all threads might be waiting
    // for a free one. Suspends the calling fiber.
    template <class F>
    auto run(F&& f) -> std::invoke_result_t<std::decay_t<F>> {
        using R = std::invoke_result_t<std::decay_t<F>>;
        if (is_one_of_its_threads()) return std::decay_t<F>(std::forward<F>(f))();
        async_result<R> result;
        const detail::revoked_when_left job(
            submit([answer = detail::answer<R>(result),
                    f = std::decay_t<F>(std::forward<F>(f))]() mutable { answer.call(f); }));
        return result.take();
    }

    // Hands `work`, which must not throw, to a thread; waits while the bound is reached, but on one
    // of the threads, which would wait for itself, does it at once. Suspends the calling fiber.
    std::shared_ptr<detail::thread_job> submit(detail::thread_job::function work);

    // How many threads there are, how many of them work, and how much work waits. Callable from
    // any thread.
    [[nodiscard]] std::size_t threads() const;
    [[nodiscard]] std::size_t busy() const;
    [[nodiscard]] std::size_t waiting() const;

    static constexpr std::size_t unlimited = static_cast<std::size_t>(-1);

  private:
    class state;
    class registry;
    [[nodiscard]] bool is_one_of_its_threads() const noexcept;
    std::shared_ptr<state> state_;
};

// The pool of the process that offload() uses: up to ten threads, or RAMIE_THREADS, made at the
// first use. Callable from any thread.
thread_pool& default_thread_pool();

// The same as default_thread_pool().run(f). Suspends the calling fiber.
template <class F>
auto offload(F&& f) {
    return default_thread_pool().run(std::forward<F>(f));
}

}  // namespace ramie

// Work that is handed over now and asked for later.
#include "ramie/executor.hpp"
