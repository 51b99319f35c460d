#pragma once
// Children made by fork().

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "ramie/debug.hpp"
#include "ramie/fiber.hpp"

namespace ramie::test {

// The child's exit status, what `f` returns there; or the signal that ended it, negative.
template <class F>
int in_child(F f) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(f());
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// A wake-up that nobody sent would be found again by every poll.
inline void expect_quiet() {
    const auto before = ramie::stats().polls;
    this_fiber::sleep_for(std::chrono::milliseconds(10));
    EXPECT_LT(ramie::stats().polls - before, 10U);
}

}  // namespace ramie::test
