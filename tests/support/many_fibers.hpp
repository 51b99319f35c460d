#pragma once
// What the tests of pthread locks share.

#include <ctime>

#include <chrono>
#include <vector>

#include "ramie/fiber.hpp"

namespace ramie::test {

template <class F>
std::vector<ramie::fiber<>> spawn_many(int count, F f) {
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != count; ++i) all.push_back(ramie::spawn(f));
    return all;
}

inline void get_all(const std::vector<ramie::fiber<>>& all) {
    for (const auto& each : all) each.get();
}

}  // namespace ramie::test
