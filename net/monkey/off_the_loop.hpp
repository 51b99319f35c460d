// Calls that a slow disk makes wait: a thread of the pool makes them while the fiber waits.
#pragma once

namespace ramie::monkey::detail {

// `call(of)` on a thread, with the caller's errno, which takes over what the call left. A kill or a
// timeout waits until it has ended: the call has the caller's buffers. Suspends the calling fiber.
void call_off_the_loop(void (*call)(void* of) noexcept, void* of) noexcept;

// `call()` likewise; its result. Suspends the calling fiber.
template <class Call>
auto off_the_loop(Call call) noexcept -> decltype(call()) {
    struct {
        Call& call;
        decltype(call()) result;
    } both{call, {}};
    using pair = decltype(both);
    call_off_the_loop(
        [](void* of) noexcept {
            pair& mine = *static_cast<pair*>(of);
            mine.result = mine.call();
        },
        &both);
    return both.result;
}

}  // namespace ramie::monkey::detail
