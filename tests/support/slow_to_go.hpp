// A value whose end takes a second.
#pragma once

#include <chrono>

#include "ramie/fiber.hpp"

namespace ramie::test {

struct slow_to_go {
    explicit slow_to_go(bool& g) : gone(g) {}
    ~slow_to_go() {
        this_fiber::sleep_for(std::chrono::seconds(1));
        gone = true;
    }
    slow_to_go(const slow_to_go&) = delete;
    slow_to_go& operator=(const slow_to_go&) = delete;
    bool& gone;
};

}  // namespace ramie::test
