#include "ramie/debug.hpp"

#include <unistd.h>

#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"
#include "support/threads.hpp"

namespace {

using namespace std::chrono_literals;
using dump = ramie::test::virtual_time_test;
using stats = ramie::test::virtual_time_test;
using deadlock = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::at_exit;
using ramie::test::count_of;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

std::string dumped() {
    std::ostringstream out;
    ramie::dump(out);
    return out.str();
}

// The line of a dump that names `fiber`.
std::string line_of(const std::string& fiber, const std::string& text) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        if (line.find(fiber) != std::string::npos) return line;
    return {};
}

TEST_F(dump, has_a_line_for_each_fiber_that_says_what_it_waits_for) {
    ramie::event never;
    ramie::async_result<int> nothing;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    std::vector<ramie::fiber_base> fibers;
    const auto add = [&](const char* name, auto f) { fibers.push_back(spawn({.name = name}, f)); };
    add("sleeper", [] { this_fiber::sleep_for(1h); });
    add("listener", [&] { never.wait(); });
    add("asker", [&] { nothing.get(); });
    add("joiner", [&] { fibers[0].join(); });
    add("reader", [&] { ramie::wait_readable(ends[0]); });
    this_fiber::yield();
    add("newcomer", [] {});

    const std::string text = dumped();
    EXPECT_EQ(count_of("\n", text), 7) << text;
    EXPECT_NE(line_of("main", text).find("running"), std::string::npos) << text;
    EXPECT_NE(line_of("\"sleeper\"", text).find("sleep"), std::string::npos) << text;
    EXPECT_NE(line_of("\"listener\"", text).find("an event"), std::string::npos) << text;
    EXPECT_NE(line_of("\"asker\"", text).find("an async_result"), std::string::npos) << text;
    EXPECT_NE(line_of("\"joiner\"", text).find("\"sleeper\""), std::string::npos) << text;
    EXPECT_NE(line_of("\"reader\"", text).find("descriptor " + std::to_string(ends[0])),
              std::string::npos)
        << text;
    EXPECT_NE(line_of("\"newcomer\"", text).find("not started"), std::string::npos) << text;

    ramie::kill_all(fibers);
    EXPECT_EQ(count_of("\n", dumped()), 1);
    for (const int end : ends) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

TEST_F(dump, of_a_thread_without_a_scheduler_is_empty) {
    std::string text = "?";
    std::thread([&] { text = dumped(); }).join();
    EXPECT_EQ(text, "");
}

TEST_F(stats, counts_fibers_timers_and_stacks) {
    const auto before = ramie::stats();
    EXPECT_EQ(before.fibers, 0U);
    auto sleeper = spawn([] { this_fiber::sleep_for(1h); });
    auto late = ramie::spawn_later(2h, [] {});
    this_fiber::yield();
    auto during = ramie::stats();
    EXPECT_EQ(during.fibers, 2U);
    EXPECT_EQ(during.timers, 2U);
    EXPECT_EQ(during.stacks_in_use - before.stacks_in_use, 2U);
    ramie::kill_all(std::vector{sleeper, late});
    this_fiber::yield();
    during = ramie::stats();
    EXPECT_EQ(during.fibers, 0U);
    EXPECT_EQ(during.timers, 0U);
    // The handles keep them.
    EXPECT_EQ(during.stacks_in_use - before.stacks_in_use, 2U);
    sleeper = late = {};
    const auto after = ramie::stats();
    EXPECT_EQ(after.stacks_in_use, before.stacks_in_use);
    EXPECT_GE(after.stacks_free, 2U);
}

TEST_F(stats, counts_switches_and_polls) {
    const auto before = ramie::stats();
    auto other = spawn([] {
        for (int i = 0; i != 5000; ++i) this_fiber::yield();
    });
    other.join();
    this_fiber::sleep_for(1s);
    const auto after = ramie::stats();
    EXPECT_GE(after.switches - before.switches, 5000U);
    EXPECT_LE(after.switches - before.switches, 20'000U);
    EXPECT_GT(after.polls, before.polls);
}

TEST_F(stats, of_a_thread_without_a_scheduler_are_zero) {
    std::thread([] {
        EXPECT_EQ(ramie::stats().polls, 0U);
        EXPECT_EQ(ramie::stats().stacks_in_use, 0U);
    }).join();
}

TEST_F(deadlock, is_thrown_in_the_main_fiber_with_a_list_of_who_waits_for_what) {
    ramie::event never;
    auto waiting = spawn({.name = "listener"}, [&] { never.wait(); });
    auto joining = spawn({.name = "joiner"}, [&] { waiting.join(); });
    std::string text;
    try {
        joining.join();
        ADD_FAILURE() << "it ended";
    } catch (const ramie::deadlock_error& e) {
        EXPECT_EQ(e.code(), std::errc::resource_deadlock_would_occur);
        text = e.what();
    }
    EXPECT_NE(line_of("main", text).find("\"joiner\""), std::string::npos) << text;
    EXPECT_NE(line_of("\"joiner\": ", text).find("\"listener\""), std::string::npos) << text;
    EXPECT_NE(line_of("\"listener\": ", text).find("an event"), std::string::npos) << text;
    // Whoever catches it can go on.
    never.set();
    EXPECT_TRUE(joining.join());
}

TEST_F(deadlock, is_found_again_and_again) {
    ramie::event never;
    for (int i = 0; i != 3; ++i) EXPECT_THROW(never.wait(), ramie::deadlock_error);
}

TEST_F(deadlock, is_not_declared_while_a_timer_or_the_kernel_may_end_a_wait) {
    ramie::event news;
    ramie::spawn_later(1h, [&] { news.set(); });
    EXPECT_TRUE(news.wait());
    ramie::event never;
    EXPECT_FALSE(never.wait(1h));
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    std::thread writer([&, here = ::gettid()] {
        ramie::test::until_it_waits(here);
        EXPECT_EQ(::write(ends[1], "x", 1), 1);
    });
    auto reader = spawn([&] { return ramie::wait_readable(ends[0]); });
    EXPECT_TRUE(reader.get());
    writer.join();
    for (const int end : ends) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

TEST_F(deadlock, ends_run_unless_somebody_catches_it) {
    bool unwound = false;
    EXPECT_THROW(ramie::run([&] {
                     ramie::event never;
                     const at_exit note([&] { unwound = true; });
                     never.wait();
                 }),
                 ramie::deadlock_error);
    EXPECT_TRUE(unwound);
}

TEST_F(deadlock, is_declared_when_no_other_thread_can_set_an_async_result) {
    // ThreadSanitizer has a thread of its own.
    if (ramie::test::thread_sanitizer) GTEST_SKIP() << "there is another thread";
    const ramie::async_result<int> nothing;
    EXPECT_THROW(nothing.get(), ramie::deadlock_error);
}

// Main cannot be interrupted there: the process ends and says why, in place of hanging.
TEST_F(deadlock, in_a_destructor_during_unwinding_ends_the_process_with_the_list) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    const auto hang = [] {
        ramie::event never;
        const at_exit wait([&] { never.wait(); });
        throw std::runtime_error("boom");
    };
    EXPECT_DEATH(ramie::run(hang), "deadlock(.|\n)*main fiber: .*an event");
}

}  // namespace
