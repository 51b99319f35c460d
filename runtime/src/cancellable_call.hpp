// A function that a fiber calls again and again, until somebody does not want it any more.
#pragma once

#include <functional>

#include "ramie/fiber.hpp"

namespace ramie::detail {

struct cancellable_call {
    explicit cancellable_call(std::function<void()> function);

    // What it throws is reported as of `who`: the next call is made all the same.
    void make(const char* who);

    // No call begins any more; one that is under way goes on, else `runner` ends.
    void cancel(const fiber_base& runner) noexcept;

    // A call may still begin or is under way.
    [[nodiscard]] bool active(const fiber_base& runner) const noexcept {
        return runner && !runner.ready() && (!cancelled || calling);
    }

    std::function<void()> f;
    bool cancelled = false;
    bool calling = false;
};

}  // namespace ramie::detail
