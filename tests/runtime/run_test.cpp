#include "ramie/run.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "ramie/timer.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using run = ramie::test::fiber_test;
using system_exit = ramie::test::fiber_test;
using exit_call = ramie::test::fiber_test;
using ramie::spawn;
using ramie::test::at_exit;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

TEST_F(run, returns_what_main_returns) {
    EXPECT_EQ(ramie::run([] { return 7; }), 7);
    EXPECT_EQ(ramie::run([] {}), 0);
    EXPECT_EQ(ramie::run([] { return 'a'; }), 'a');
    EXPECT_EQ(ramie::run([p = std::make_unique<int>(3)] { return *p; }), 3);
}

TEST_F(run, runs_main_on_the_thread_s_own_stack) {
    const char here = 0;
    ramie::run([&] {
        const char there = 0;
        EXPECT_LT(std::abs(&here - &there), 64 * 1024);
        EXPECT_EQ(this_fiber::name(), "main");
    });
}

TEST_F(run, can_be_called_again_and_again) {
    for (int i = 0; i != 10; ++i)
        EXPECT_EQ(ramie::run([i] {
                      spawn([] { this_fiber::sleep_for(1h); });
                      return spawn([i] { return i; }).get();
                  }),
                  i);
}

TEST_F(run, kills_and_unwinds_what_is_left) {
    std::vector<std::string> order;
    ramie::run([&] {
        const at_exit main_ended([&] { order.emplace_back("main"); });
        for (const char* name : {"a", "b"})
            spawn([&order, name] {
                const at_exit note([&] { order.emplace_back(name); });
                this_fiber::sleep_for(1h);
            });
        this_fiber::yield();
        spawn([] { ADD_FAILURE() << "it ran"; });
        ramie::spawn_later(1h, [] { ADD_FAILURE() << "it ran"; });
    });
    EXPECT_EQ(order, (std::vector<std::string>{"main", "a", "b"}));
}

TEST_F(run, rethrows_what_main_threw_after_the_others_were_unwound) {
    bool unwound = false;
    EXPECT_EQ(error_of([&] {
                  ramie::run([&] {
                      spawn([&] {
                          const at_exit note([&] {
                              this_fiber::yield();
                              unwound = true;
                          });
                          this_fiber::sleep_for(1h);
                      });
                      this_fiber::yield();
                      throw std::runtime_error("boom");
                  });
              }),
              "boom");
    EXPECT_TRUE(unwound);
}

TEST_F(run, refuses_to_be_nested) {
    ramie::run([] {
        EXPECT_THROW(ramie::run([] {}), std::logic_error);
        spawn([] { EXPECT_THROW(ramie::run([] {}), std::logic_error); }).join();
        ramie::this_scheduler().post([] { EXPECT_THROW(ramie::run([] {}), std::logic_error); });
        this_fiber::sleep_for(1ms);
    });
    spawn([] { EXPECT_THROW(ramie::run([] {}), std::logic_error); }).join();
}

TEST_F(run, takes_over_what_was_started_before) {
    auto f = spawn([] { return 1; });
    auto g = spawn([] { this_fiber::sleep_for(1h); });
    ramie::run([&] { EXPECT_EQ(f.get(), 1); });
    EXPECT_TRUE(g.ready());
    EXPECT_TRUE(g.successful());
}

TEST_F(run, leaves_handles_that_can_still_be_asked) {
    ramie::fiber<std::string> ended;
    ramie::fiber<> failed, killed;
    ramie::run([&] {
        ended = spawn({.name = "ended"}, [] { return std::string("result"); });
        failed = spawn([] { throw std::runtime_error("boom"); });
        this_fiber::yield();
        killed = spawn([] {});
    });
    EXPECT_EQ(ended.get(), "result");
    EXPECT_EQ(ended.name(), "ended");
    EXPECT_TRUE(ended.join());
    EXPECT_TRUE(ended.kill());
    EXPECT_EQ(error_of([&] { failed.get(); }), "boom");
    EXPECT_THROW(killed.get(), ramie::fiber_exit);
    EXPECT_TRUE(killed.successful());
    const ramie::fiber<std::string> copy = ended;
    EXPECT_EQ(copy, ended);
    EXPECT_THROW(ended.link([](const auto&) {}), std::logic_error);
}

TEST_F(run, has_a_scheduler_for_each_thread) {
    const auto work = [] {
        return ramie::run([] {
            int sum = 0;
            std::vector<ramie::fiber<int>> fibers;
            for (int i = 0; i != 100; ++i)
                fibers.push_back(spawn([i] {
                    this_fiber::yield();
                    return i;
                }));
            for (const auto& f : fibers) sum += f.get();
            return sum;
        });
    };
    int other = 0;
    std::thread thread([&] { other = work(); });
    EXPECT_EQ(work(), 4950);
    thread.join();
    EXPECT_EQ(other, 4950);
}

TEST_F(run, ends_at_once_when_nothing_is_left) {
    const auto start = std::chrono::steady_clock::now();
    ramie::run([] { spawn([] {}).join(); });
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

// gevent case 24.
TEST_F(system_exit, of_another_fiber_ends_run_with_its_code) {
    bool unwound = false;
    EXPECT_EQ(ramie::run([&] {
                  const at_exit note([&] { unwound = true; });
                  spawn([] { throw ramie::system_exit{3}; });
                  this_fiber::sleep_for(1h);
                  return 7;
              }),
              3);
    EXPECT_TRUE(unwound);
}

TEST_F(system_exit, of_main_or_of_a_posted_function_ends_run_too) {
    EXPECT_EQ(ramie::run([] { throw ramie::system_exit{4}; }), 4);
    EXPECT_EQ(ramie::run([] {
                  ramie::this_scheduler().post([] { throw ramie::system_exit{5}; });
                  this_fiber::sleep_for(1h);
              }),
              5);
}

TEST_F(system_exit, comes_from_links_timers_and_kills_too) {
    const auto code_of = [](auto start) {
        return ramie::run([&] {
            [[maybe_unused]] const auto kept = start();
            this_fiber::sleep_for(1h);
        });
    };
    const auto leave = [] { throw ramie::system_exit{7}; };
    const auto error = std::make_exception_ptr(ramie::system_exit{8});
    EXPECT_EQ(
        code_of([&] { return spawn([] {}).link([&](const ramie::fiber_base&) { leave(); }); }), 7);
    EXPECT_EQ(code_of([&] { return ramie::timer(1ms, leave); }), 7);
    EXPECT_EQ(code_of([&] { return ramie::timer(1ms, 1ms, leave); }), 7);
    EXPECT_EQ(code_of([&] {
                  auto waiting = spawn([] { this_fiber::sleep_for(1h); });
                  this_fiber::yield();
                  waiting.try_kill(error);
                  return waiting;
              }),
              8);
    EXPECT_EQ(code_of([&] {
                  auto unstarted = spawn([] {});
                  unstarted.try_kill(error);
                  return unstarted;
              }),
              8);
}

TEST_F(system_exit, reaches_main_whatever_it_waits_for) {
    const auto exit_during = [](auto wait) {
        return ramie::run([&] {
            auto f = spawn([] {
                this_fiber::yield();
                throw ramie::system_exit{6};
            });
            wait(f);
            return 7;
        });
    };
    ramie::event never;
    EXPECT_EQ(exit_during([](auto& f) { f.join(); }), 6);
    EXPECT_EQ(exit_during([](auto&) { ramie::test::let_others_run(); }), 6);
    EXPECT_EQ(exit_during([&](auto&) { never.wait(); }), 6);
    EXPECT_EQ(exit_during([](auto& f) { ramie::wait_any(std::vector{f}); }), 6);
}

TEST_F(system_exit, waits_while_main_unwinds) {
    bool cleaned = false;
    EXPECT_EQ(error_of([&] {
                  ramie::run([&] {
                      const at_exit slow([&] {
                          spawn([] { throw ramie::system_exit{6}; });
                          this_fiber::sleep_for(10ms);
                          cleaned = true;
                      });
                      throw std::runtime_error("boom");
                  });
              }),
              "boom");
    EXPECT_TRUE(cleaned);
}

TEST_F(system_exit, is_thrown_by_get_as_well) {
    ramie::run([] {
        auto f = spawn([] { throw ramie::system_exit{6}; });
        EXPECT_THROW(this_fiber::sleep_for(1h), ramie::system_exit);
        EXPECT_THROW(f.get(), ramie::system_exit);
    });
}

// Plain code that knows no fibers. The process ends as from any thread: exit handlers run, fibers
// are not unwound.
TEST_F(exit_call, ends_run_on_any_fiber_and_on_the_loop) {
    const auto program_in_which = [](auto somebody_exits) {
        std::atexit([] { std::fputs("farewell", stderr); });
        ramie::run([&] {
            const at_exit never([] { std::fputs("unwound", stderr); });
            auto sleeper = spawn([] { this_fiber::sleep_for(1h); });
            somebody_exits();
            sleeper.join(1h);
        });
    };
    const auto leave = [] { std::exit(6); };
    const testing::ExitedWithCode six(6);
    EXPECT_EXIT(program_in_which(leave), six, "^farewell$");
    EXPECT_EXIT(program_in_which([&] { spawn(leave); }), six, "^farewell$");
    EXPECT_EXIT(program_in_which([&] { ramie::this_scheduler().post(leave); }), six, "^farewell$");
}

// gevent case 24: ordinary exceptions do not stop the loop.
TEST_F(system_exit, is_not_what_an_ordinary_exception_does) {
    ramie::test::stderr_of([] {
        EXPECT_EQ(ramie::run([] {
                      spawn([] { throw std::runtime_error("boom"); });
                      this_fiber::yield();
                      return 7;
                  }),
                  7);
    });
}

}  // namespace
