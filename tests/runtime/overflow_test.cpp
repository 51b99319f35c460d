// A fiber that needs more stack than it has ends the process with one line that says so.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <thread>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "ramie/run.hpp"
#include "support/fiber_test.hpp"

namespace {

using testing::KilledBySignal;
namespace this_fiber = ramie::this_fiber;

class overflow : public testing::Test {
  protected:
    // The child of a death test starts anew: it has the stacks of a fresh process.
    void SetUp() override { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

// AddressSanitizer's own report comes first.
std::string report_of(const std::string& fiber, const std::string& size) {
    return "^ramie: stack overflow in fiber [0-9]+" + fiber + ": its stack is " + size +
           " KiB [^\n]*stack_size[^\n]*RAMIE_STACK_SIZE\n";
}

// Touches both ends of its frame.
template <std::size_t size>
[[gnu::noinline]] int frame_of() {
    volatile char frame[size];
    frame[0] = 1;
    frame[size - 1] = 2;
    return frame[0] + frame[size - 1];
}
int large_frame() { return frame_of<40 * 1024>(); }

[[gnu::noinline]] int recurse(int depth) {
    volatile char frame[256];
    frame[0] = static_cast<char>(depth);
    return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

template <class F>
void run_fiber(ramie::fiber_options options, F f) {
    ramie::run([&] { ramie::spawn(std::move(options), f).join(); });
}

TEST_F(overflow, by_a_frame_larger_than_the_stack_is_reported) {
    EXPECT_EXIT(run_fiber({.name = "greedy", .stack_size = 32 * 1024}, [] { large_frame(); }),
                KilledBySignal(SIGSEGV), report_of(" \"greedy\"", "32") + "$");
}

TEST_F(overflow, by_a_runaway_recursion_is_reported) {
    EXPECT_EXIT(run_fiber({.name = "endless"}, [] { recurse(100'000'000); }),
                KilledBySignal(SIGSEGV), report_of(" \"endless\"", "256") + "$");
}

TEST_F(overflow, of_a_fiber_without_a_name_is_reported_too) {
    EXPECT_EXIT(run_fiber({.stack_size = 64 * 1024}, [] { recurse(100'000'000); }),
                KilledBySignal(SIGSEGV), report_of("", "64") + "$");
}

TEST_F(overflow, after_many_switches_names_the_fiber_that_runs) {
    const auto program = [] {
        ramie::event go;
        for (int i = 0; i != 10; ++i) ramie::spawn({.name = "innocent"}, [&] { go.wait(); });
        ramie::spawn({.name = "guilty"}, [&] {
            go.wait();
            recurse(100'000'000);
        });
        this_fiber::yield();
        go.set();
        this_fiber::yield();
    };
    EXPECT_EXIT(ramie::run(program), KilledBySignal(SIGSEGV),
                report_of(" \"guilty\"", "256") + "$");
}

TEST_F(overflow, on_a_thread_s_fiber_is_reported) {
    const auto program = [] {
        std::thread([] { run_fiber({.name = "endless"}, [] { recurse(100'000'000); }); }).join();
    };
    EXPECT_EXIT(program(), KilledBySignal(SIGSEGV), report_of(" \"endless\"", "256") + "$");
}

// A posted function or an Asio handler.
TEST_F(overflow, of_the_loop_is_reported) {
    const auto program = [] {
        ramie::this_scheduler().post([] { recurse(100'000'000); });
        this_fiber::yield();
        this_fiber::sleep_for(std::chrono::hours(1));
    };
    EXPECT_EXIT(
        ramie::run(program), KilledBySignal(SIGSEGV),
        "^ramie: stack overflow in the loop [^\n]*: its stack is 256 KiB [^\n]*fiber[^\n]*\n$");
}

TEST_F(overflow, of_the_main_fiber_is_the_thread_s_own) {
    EXPECT_EXIT(ramie::run([] { recurse(100'000'000); }), KilledBySignal(SIGSEGV), "^$");
}

TEST_F(overflow, is_none_when_the_stack_is_large_enough) {
    EXPECT_EXIT(
        {
            run_fiber({.stack_size = 1024 * 1024}, [] { large_frame(); });
            ::setenv("RAMIE_STACK_SIZE", "0x100000", 1);
            run_fiber({}, [] { recurse(1000); });
            std::_Exit(0);
        },
        testing::ExitedWithCode(0), "^$");
}

TEST_F(overflow, is_avoided_by_the_environment_s_stack_size) {
    EXPECT_EXIT(
        {
            ::setenv("RAMIE_STACK_SIZE", "32768", 1);
            run_fiber({.name = "greedy"}, [] { large_frame(); });
        },
        KilledBySignal(SIGSEGV), report_of(" \"greedy\"", "32") + "$");
    EXPECT_EXIT(
        {
            ::setenv("RAMIE_STACK_SIZE", "1048576", 1);
            run_fiber({}, [] { frame_of<512 * 1024>(); });
            std::_Exit(0);
        },
        testing::ExitedWithCode(0), "^$");
}

}  // namespace
