// Fibers: functions that run concurrently on one thread and give way whenever they would block.
//
//     auto answer = ramie::spawn([] { ramie::this_fiber::sleep_for(1s); return 42; });
//     auto other  = ramie::spawn({.name = "greeter"}, greet, "world");
//     other.join();
//     std::cout << answer.get();
//
// A fiber stays on the thread that spawned it. A handle is cheap and copyable; dropping it neither
// joins nor kills. Handles, like the fibers, belong to their thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/detail/task.hpp"
#include "ramie/errors.hpp"

namespace ramie {

struct fiber_options {
    std::string name = {};       // for reports; default "fiber-<id>"
    std::size_t stack_size = 0;  // bytes, guard included, rounded up to a power of two, at least
                                 // 16 KiB; 0: RAMIE_STACK_SIZE or 256 KiB. Untouched pages are
                                 // free. A frame of several KiB may jump over the guard in code
                                 // that was compiled without -fstack-clash-protection, which
                                 // ramie::runtime brings along for those that use CMake
};

using link_id = std::uint64_t;

// What is the same for every fiber, whatever it returns.
class fiber_base {
  public:
    // A handle to no fiber: ready, not successful. Never suspends.
    fiber_base() noexcept = default;
    // Handles to the same fiber. With the last one of an ended fiber goes its result, and an
    // exception that nobody has looked at is reported. Suspend the calling fiber only if the
    // destructor of the result, or the function given to on_unhandled_exception(), does.
    fiber_base(const fiber_base& other) noexcept : core_(other.core_) {
        if (core_ != nullptr) detail::retain(*core_);
    }
    fiber_base(fiber_base&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    fiber_base& operator=(fiber_base other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }
    ~fiber_base() {
        if (core_ != nullptr) detail::release(*core_);
    }

    // Waits for the fiber's end, however it ends; true when it has ended, false at the deadline.
    // Suspends the calling fiber.
    bool join(deadline until = {}) const;

    // Throws fiber_exit (or `error`) at the fiber's suspension point and waits for its end; true
    // when it has ended, false at the deadline (it may catch the exception and live on). A fiber
    // that has not started never runs. Harmless twice. On oneself: throws at once.
    // Suspends the calling fiber.
    bool kill(deadline until = {}) const { return kill(nullptr, until); }
    bool kill(std::exception_ptr error, deadline until = {}) const;

    // The same without waiting for the end; on oneself it is thrown at the next suspension point.
    // The callable of a fiber that has not started is destroyed here: suspends the calling fiber if
    // that destructor does, else never.
    void try_kill(std::exception_ptr error = nullptr) const;

    // True when the fiber has ended. Never suspends.
    [[nodiscard]] bool ready() const noexcept;

    // True when it ended by returning or by fiber_exit. Never suspends.
    [[nodiscard]] bool successful() const noexcept;

    // What it ended with; null while it runs, after a return and after fiber_exit. Never suspends.
    [[nodiscard]] std::exception_ptr exception() const noexcept;

    // Calls `f(handle)` in a fiber of its own once this fiber has ended, also when it has already.
    // Links are started in order; one that throws is reported and stops no other. A link that has
    // not started when run() ends still runs, up to its first suspension. Throws std::logic_error
    // for the main fiber. Never suspends.
    link_id link(std::function<void(const fiber_base&)> f) const;

    // Forgets a link that was not called yet. Never suspends.
    void unlink(link_id) const noexcept;

    // Small number, unique in this thread. 0: no fiber. Never suspends.
    [[nodiscard]] std::uint64_t id() const noexcept;

    // For reports; see fiber_options. Never suspends.
    [[nodiscard]] std::string name() const;
    // Never suspends.
    void set_name(std::string) const;

    // False for a handle to no fiber. Never suspends.
    explicit operator bool() const noexcept { return core_ != nullptr; }
    // True for handles to the same fiber, or to none. Never suspends.
    friend bool operator==(const fiber_base&, const fiber_base&) noexcept = default;

    // For this library: shares the ownership of `core`. Never suspends.
    explicit fiber_base(detail::fiber_core* core) noexcept : core_(core) { detail::retain(*core_); }
    [[nodiscard]] detail::fiber_core* core() const noexcept { return core_; }

  protected:
    // Joins; throws timeout_expired at the deadline, and what the fiber ended with.
    detail::fiber_core& wait_for_result(deadline until) const;

  private:
    detail::fiber_core* core_ = nullptr;
};

template <class R = void>
class fiber : public fiber_base {
  public:
    // A handle to no fiber. Never suspends.
    fiber() noexcept = default;
    // For this library. Never suspends.
    explicit fiber(detail::result_core<R>* core) noexcept : fiber_base(core) {}

    // The result, again on every call; rethrows what the fiber ended with (fiber_exit when it was
    // killed); throws timeout_expired at the deadline. Suspends the calling fiber.
    decltype(auto) get(deadline until = {}) const {
        [[maybe_unused]] detail::fiber_core& ended = wait_for_result(until);
        if constexpr (!std::is_void_v<R>)
            return static_cast<R&>(*static_cast<detail::result_core<R>&>(ended).result);
    }
};

// Starts a fiber that calls `f(args...)`, decayed as for std::thread. It never runs inside spawn:
// it is appended to the ready queue. Throws std::system_error (ENOMEM) when no stack can be had.
// Never suspends.
template <class F, class... Args>
requires std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>
auto spawn(fiber_options options, F&& f, Args&&... args) {
    detail::task_place place{};
    auto* core = detail::make_task(std::move(options.name), options.stack_size, place,
                                   std::forward<F>(f), std::forward<Args>(args)...);
    fiber<detail::task_result<F, Args...>> handle(core);
    detail::start_fiber(*core, place);
    return handle;
}

template <class F, class... Args>
requires std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>
auto spawn(F&& f, Args&&... args) {
    return spawn(fiber_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}

// The same, but the fiber becomes ready only at `start` (a duration or a time point). Until then a
// kill ends it at once. Never suspends.
template <class F, class... Args>
requires std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>
auto spawn_later(deadline start, F&& f, Args&&... args) {
    detail::task_place place{};
    auto* core = detail::make_task({}, 0, place, std::forward<F>(f), std::forward<Args>(args)...);
    fiber<detail::task_result<F, Args...>> handle(core);
    detail::start_fiber(*core, place, start.nanoseconds());
    return handle;
}

namespace this_fiber {

// Lets every other ready fiber run first. A kill or timeout is thrown here. Suspends the calling
// fiber.
void yield();

// Returns at `until`, never earlier; zero or less is a yield. Suspends the calling fiber.
void sleep_until(deadline until);
// The same for a duration. Suspends the calling fiber.
inline void sleep_for(deadline duration) { sleep_until(duration); }

// Of the calling fiber, as the members of its handle, which self() is. On the loop, and before the
// first fiber of a thread: no fiber. Never suspend.
[[nodiscard]] std::uint64_t id() noexcept;
[[nodiscard]] std::string name();
[[nodiscard]] fiber_base self() noexcept;

}  // namespace this_fiber

}  // namespace ramie

#include "ramie/fiber_group.hpp"
