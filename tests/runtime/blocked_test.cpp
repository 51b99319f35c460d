#include "ramie/blocked.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "support/blocked_reports.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;

struct blocked : ramie::test::fiber_test {
    blocked() { ramie::on_blocked(added_to(kept_), 10ms); }
    ~blocked() override { ramie::on_blocked({}, 0ms); }

    const std::shared_ptr<ramie::test::blocked_reports> kept_ =
        std::make_shared<ramie::test::blocked_reports>();
    ramie::test::blocked_reports& reports = *kept_;
};

TEST_F(blocked, names_the_fiber_that_holds_the_loop) {
    auto bad = spawn({.name = "the bad one"}, [&] { return reports.wait_for(1); });
    auto good = spawn({.name = "the good one"}, [] { ramie::this_fiber::sleep_for(1ms); });
    const ramie::blocked_report r = bad.get();
    EXPECT_NE(r.fiber.find("\"the bad one\""), std::string::npos) << r.fiber;
    EXPECT_EQ(r.id, bad.id());
    EXPECT_GE(r.held_for, 10ms);
    good.join();
}

// It waits for a condition variable of the standard library, which shows.
TEST_F(blocked, shows_where_it_is) {
    auto bad = spawn([&] { return reports.wait_for(1); });
    std::string stack;
    for (const std::string& frame : bad.get().stack) stack += frame + "\n";
    EXPECT_NE(stack.find("libc.so"), std::string::npos) << stack;
    EXPECT_NE(stack.find("ramie_runtime_tests"), std::string::npos) << stack;
}

TEST_F(blocked, is_found_when_it_computes) {
    auto bad = spawn([&] {
        while (reports.size() == 0) {
        }
    });
    bad.join();
    EXPECT_EQ(reports.wait_for(1).id, bad.id());
}

TEST_F(blocked, says_that_it_is_the_main_fiber) {
    EXPECT_EQ(reports.wait_for(1).fiber, "the main fiber");
}

// The first ends with the report; the others are within a second of it.
TEST_F(blocked, is_reported_once_and_not_too_often) {
    spawn([&] { reports.wait_for(1); }).join();
    const auto reported = std::chrono::steady_clock::now();
    for (int i = 0; i != 3; ++i) spawn([] { std::this_thread::sleep_for(30ms); }).join();
    const bool within_a_second = std::chrono::steady_clock::now() - reported < 900ms;
    EXPECT_TRUE(reports.size() == 1 || !within_a_second);
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
        ramie::run([&] {
            spawn({.name = "elsewhere"}, [&] {
                while (!reports.names("elsewhere")) std::this_thread::yield();
            }).join();
        });
    }).join();
}

TEST_F(blocked, is_found_in_a_forked_child) {
    const pid_t child = ::fork();
    if (child == 0) {
        ramie::run([&] { spawn([&] { reports.wait_for(1); }).join(); });
        ::_exit(0);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

struct blocked_by_environment : testing::Test {};

// The signal that takes the stack ends each poll() early, so it takes many.
void block_for(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 100);
}

std::string stderr_of_a_blocked_program(const char* threshold) {
    testing::internal::CaptureStderr();
    const pid_t child = ::fork();
    if (child == 0) {
        ::setenv("RAMIE_BLOCKED_MS", threshold, 1);
        ramie::run([] { spawn({.name = "sleeper"}, [] { block_for(500ms); }).join(); });
        ::_exit(0);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return testing::internal::GetCapturedStderr();
}

TEST_F(blocked_by_environment, is_reported_on_stderr) {
    const std::string text = stderr_of_a_blocked_program("5");
    EXPECT_NE(text.find("ramie: fiber 1 \"sleeper\" has held its loop for "), std::string::npos)
        << text;
    EXPECT_NE(text.find("poll"), std::string::npos) << text;
}

TEST_F(blocked_by_environment, says_what_it_does_not_understand) {
    EXPECT_NE(stderr_of_a_blocked_program("soon").find("RAMIE_BLOCKED_MS=soon"), std::string::npos);
    EXPECT_EQ(stderr_of_a_blocked_program("0"), "");
}

}  // namespace
