// Two fibers that take from one range until it is over, and what they took, in order.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "ramie/fiber.hpp"
#include "ramie/queue.hpp"

namespace ramie::test {

template <class Range>
auto taken_by_two(Range& range) {
    std::vector<decltype(range.get())> taken;
    int ended = 0;
    const auto take = [&] {
        try {
            for (;;) taken.push_back(range.get());
        } catch (const queue_shutdown&) {
            ++ended;
        }
    };
    const auto first = spawn(take);
    const auto second = spawn(take);
    first.join();
    second.join();
    EXPECT_EQ(ended, 2);
    return taken;
}

}  // namespace ramie::test
