#pragma once
// What the tests of fibers share. The body of a test runs as the main fiber of its thread; once it
// has returned, nothing may be left of what it started.
//
//     using event = ramie::test::virtual_time_test;    // or fiber_test, for real time
//     TEST_F(event, wakes_in_order) { ... ramie::spawn(...) ... }

#include <dirent.h>
#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ramie/debug.hpp"
#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "ramie/run.hpp"
#include "ramie/testing/leak_check.hpp"
#include "ramie/testing/virtual_clock.hpp"
#include "support/sanitizers.hpp"

namespace ramie::test {

inline int open_descriptors() {
    DIR* directory = ::opendir("/proc/self/fd");
    int count = 0;
    while (::readdir(directory) != nullptr) ++count;
    ::closedir(directory);
    return count;
}

// Ends the calling thread's scheduler as run() does.
inline void end_scheduler() {
    ramie::run([] {});
}

class fiber_test : public ::testing::Test {
  protected:
    void TearDown() override {
        EXPECT_EQ(leaks_.fibers(), "");
        // Asio keeps some of its descriptors for as long as the scheduler.
        end_scheduler();
        EXPECT_EQ(leaks_.descriptors(), "");
    }

  private:
    ramie::testing::leak_check leaks_;
};

// Time stands still, and jumps when every fiber waits.
class virtual_time_test : public fiber_test {
  protected:
    ramie::testing::virtual_clock clock_;
};

// What `f` writes to stderr.
template <class F>
std::string stderr_of(F f) {
    ::testing::internal::CaptureStderr();
    f();
    return ::testing::internal::GetCapturedStderr();
}

inline int count_of(std::string_view part, std::string_view text) {
    int count = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
        ++count;
    return count;
}

// The message of the exception that `f` throws; empty when it throws none of that type.
template <class Exception = std::exception, class F>
std::string error_of(F f) {
    try {
        f();
    } catch (const Exception& e) {
        return e.what();
    }
    return {};
}

inline std::exception_ptr boom() { return std::make_exception_ptr(std::runtime_error("boom")); }

// Calls `f` when its scope is left, however that happens; `f` may suspend.
template <class F>
class at_exit {
  public:
    explicit at_exit(F f) : f_(std::move(f)) {}
    ~at_exit() { f_(); }
    at_exit(const at_exit&) = delete;
    at_exit& operator=(const at_exit&) = delete;

  private:
    F f_;
};

// Runs every fiber that is ready, and those that they make ready, up to their next wait.
inline void let_others_run() {
    for (int i = 0; i != 8; ++i) this_fiber::yield();
}

}  // namespace ramie::test
