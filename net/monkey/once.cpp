// pthread_once and what is below static variables of functions: an initialiser may park, and who
// comes meanwhile waits for it.

#include <sys/single_threaded.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "parking.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind an_initialiser{"the end of an initialiser", outside::another_thread};

// std::call_once tells pthread_once() what to call in variables of the thread, which other fibers
// use as well while this one is parked.
class call_once_target {
  public:
    ~call_once_target() {
        std::__once_callable = callable_;
        std::__once_call = call_;
    }

  private:
    void* const callable_ = std::__once_callable;
    void (*const call_)() = std::__once_call;
};

void wait_for_initialiser(const void* key) noexcept {
    const call_once_target kept;
    while (is_marked(key)) {
        parked me(key);
        if (!is_marked(key)) return;
        me.pass_on();
        // The main fiber, in a deadlock, goes on; it will find the same again.
        if (me.park(an_initialiser, key, deadline::never(), true) == wake::interrupted) return;
    }
}

// While an initialiser runs, however it ends.
class running {
  public:
    explicit running(const void* key) noexcept : key_(key), mark_(std::in_place, key) {}
    ~running() {
        mark_.reset();
        wake_all(key_);
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;

  private:
    const void* key_;
    std::optional<mark> mark_;
};

constexpr int done = 2;

bool is_done(const pthread_once_t* once) noexcept {
    return (__atomic_load_n(once, __ATOMIC_ACQUIRE) & done) != 0;
}

int once_with_fibers(pthread_once_t* once, void (*init)()) {
    // One that runs but is not known began before the patch, or in the parent of a fork, which libc
    // knows how to tell.
    if (current_fiber != nullptr) wait_for_initialiser(once);
    if (is_done(once)) return 0;
    const running now(once);
    return real::pthread_once(once, init);
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int pthread_once(pthread_once_t* once, void (*init)()) {
    if (!is_on(family::lock) || is_done(once)) return real::pthread_once(once, init);
    return once_with_fibers(once, init);
}

int __pthread_once(pthread_once_t* once, void (*init)()) { return pthread_once(once, init); }

// Of a function's static variable. libstdc++ takes a fiber that comes while another one initialises
// it for a recursion, until libc says that there are several threads; then it waits by a futex. Not
// said before: libc's calls are slower from then on. Weak: a program that has libstdc++ in itself
// keeps that one's.
[[gnu::weak]] int __cxa_guard_acquire(std::uint64_t* guard) {
    const auto* const bytes = reinterpret_cast<const char*>(guard);
    const bool is_pending = bytes[0] == 0 && bytes[1] != 0;
    if (is_pending && on_fiber(family::lock)) __libc_single_threaded = 0;
    return real::__cxa_guard_acquire(guard);
}
}
