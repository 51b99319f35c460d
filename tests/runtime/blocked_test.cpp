#include "ramie/blocked.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "support/blocked_reports.hpp"
#include "support/fiber_test.hpp"
#include "support/forked.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;

struct blocked : ramie::test::fiber_test {
    blocked() { ramie::on_blocked(added_to(kept_), 10ms); }
    ~blocked() override { ramie::on_blocked({}, 0ms); }

    // Holds the loop until it is reported. Again and again: a thread that the machine took the CPU
    // from is reported as well, and nothing else of it for a second.
    ramie::blocked_report hold_as(std::string_view fiber) {
        for (;; ramie::this_fiber::sleep_for(1ms))
            if (auto report = reports.wait_for(fiber)) return *report;
    }

    const std::shared_ptr<ramie::test::blocked_reports> kept_ =
        std::make_shared<ramie::test::blocked_reports>();
    ramie::test::blocked_reports& reports = *kept_;
};

TEST_F(blocked, names_the_fiber_that_holds_the_loop) {
    auto bad = spawn({.name = "the bad one"}, [&] { return hold_as("the bad one"); });
    auto good = spawn({.name = "the good one"}, [] { ramie::this_fiber::sleep_for(1ms); });
    const ramie::blocked_report r = bad.get();
    EXPECT_NE(r.fiber.find("\"the bad one\""), std::string::npos) << r.fiber;
    EXPECT_EQ(r.id, bad.id());
    EXPECT_GE(r.held_for, 10ms);
    good.join();
}

// It waits for a condition variable of the standard library, which shows.
TEST_F(blocked, shows_where_it_is) {
    auto bad = spawn({.name = "the bad one"}, [&] { return hold_as("the bad one"); });
    std::string stack;
    for (const std::string& frame : bad.get().stack) stack += frame + "\n";
    EXPECT_NE(stack.find("libc.so"), std::string::npos) << stack;
    EXPECT_NE(stack.find("ramie_runtime_tests"), std::string::npos) << stack;
}

void compute_for(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) continue;
}

TEST_F(blocked, is_found_when_it_computes) {
    auto bad = spawn({.name = "the busy one"}, [&] {
        for (; !reports.names("the busy one"); ramie::this_fiber::sleep_for(1ms))
            compute_for(100ms);
    });
    bad.join();
    EXPECT_EQ(hold_as("the busy one").id, bad.id());
}

TEST_F(blocked, says_that_it_is_the_main_fiber) {
    EXPECT_EQ(hold_as("the main fiber").fiber, "the main fiber");
}

// The first ends with the report; the others are within a second of it.
TEST_F(blocked, is_reported_once_and_not_too_often) {
    const auto start = std::chrono::steady_clock::now();
    spawn({.name = "the first"}, [&] { hold_as("the first"); }).join();
    const std::size_t reported = reports.size();
    for (int i = 0; i != 3; ++i) spawn([] { std::this_thread::sleep_for(30ms); }).join();
    const bool within_a_second = std::chrono::steady_clock::now() - start < 900ms;
    EXPECT_TRUE(reports.size() == reported || !within_a_second);
}

TEST_F(blocked, is_not_who_waits) {
    // Long enough for a busy machine, which takes the thread away for a while.
    ramie::on_blocked(added_to(kept_), 200ms);
    ramie::event never;
    spawn([] { ramie::this_fiber::sleep_for(300ms); }).join();
    EXPECT_FALSE(never.wait(300ms));
    EXPECT_EQ(reports.size(), 0U);
}

TEST_F(blocked, is_found_on_other_threads) {
    std::thread([&] {
        ramie::run([&] { spawn({.name = "elsewhere"}, [&] { hold_as("elsewhere"); }).join(); });
    }).join();
}

TEST_F(blocked, is_found_in_a_forked_child) {
    EXPECT_EQ(ramie::test::in_child([&] {
                  ramie::run([&] {
                      spawn({.name = "the child's"}, [&] { hold_as("the child's"); }).join();
                  });
                  return 7;
              }),
              7);
}

struct blocked_by_environment : testing::Test {};

// The signal that takes the stack ends each poll() early, so it takes many.
void block_for(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 100);
}

void block_again(int times) {
    for (int i = 0; i != times; ++i) {
        block_for(100ms);
        ramie::this_fiber::sleep_for(1ms);
    }
}

std::string stderr_of_a_blocked_program(const char* threshold, int times) {
    return ramie::test::stderr_of([=] {
        EXPECT_EQ(ramie::test::in_child([=] {
                      ::setenv("RAMIE_BLOCKED_MS", threshold, 1);
                      ramie::run([=] { spawn({.name = "sleeper"}, block_again, times).join(); });
                      return 0;
                  }),
                  0);
    });
}

TEST_F(blocked_by_environment, is_reported_on_stderr) {
    // For longer than the second in which nothing is reported after the machine itself made a
    // pause.
    const std::string text = stderr_of_a_blocked_program("5", 15);
    EXPECT_NE(text.find("ramie: fiber 1 \"sleeper\" has held its loop for "), std::string::npos)
        << text;
    EXPECT_NE(text.find("poll"), std::string::npos) << text;
}

TEST_F(blocked_by_environment, says_what_it_does_not_understand) {
    EXPECT_NE(stderr_of_a_blocked_program("soon", 0).find("RAMIE_BLOCKED_MS=soon"),
              std::string::npos);
    EXPECT_EQ(stderr_of_a_blocked_program("0", 1), "");
}

}  // namespace
