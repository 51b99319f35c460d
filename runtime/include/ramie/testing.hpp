// What a test of fibers needs: time and schedules that it controls, and answers to what is left.
//
//     ramie::testing::virtual_clock clock;              // an hour takes microseconds
//     ramie::testing::explore(2000, model);             // another schedule for each seed
//     ramie::testing::leak_check leaks;  ...  EXPECT_EQ(leaks.found(), "");
//
// docs/testing.md shows how they work together.
// Models and streams suspend the calling fiber where what they stand for does; the rest never
// suspends.
#pragma once

#include "ramie/testing/abandon.hpp"
#include "ramie/testing/explore.hpp"
#include "ramie/testing/faults.hpp"
#include "ramie/testing/leak_check.hpp"
#include "ramie/testing/memory_stream.hpp"
#include "ramie/testing/seeded_random.hpp"
#include "ramie/testing/seeded_scheduler.hpp"
#include "ramie/testing/virtual_clock.hpp"
