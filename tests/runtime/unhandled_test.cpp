// An exception that leaves a fiber is never lost: somebody sees it, or it is reported.

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "ramie/run.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;
using ramie::test::boom;
using ramie::test::count_of;
using ramie::test::let_others_run;
using ramie::test::stderr_of;
namespace this_fiber = ramie::this_fiber;

class unhandled : public ramie::test::virtual_time_test {
  protected:
    void TearDown() override {
        virtual_time_test::TearDown();
        ramie::on_unhandled_exception(nullptr);
    }
};

ramie::fiber<> thrower() {
    return spawn({.name = "thrower"}, [] { throw std::runtime_error("boom"); });
}

TEST_F(unhandled, exception_is_reported_once_in_one_line_that_names_the_fiber) {
    const std::string report = stderr_of([] {
        thrower();
        let_others_run();
    });
    EXPECT_EQ(count_of("\"thrower\"", report), 1) << report;
    EXPECT_EQ(count_of("std::runtime_error: boom", report), 1) << report;
    EXPECT_EQ(count_of("\n", report), 1) << report;
}

TEST_F(unhandled, exception_does_not_stop_the_program) {
    stderr_of([] {
        thrower();
        EXPECT_EQ(spawn([] { return 1; }).get(), 1);
    });
}

TEST_F(unhandled, exception_is_reported_when_the_last_handle_is_dropped) {
    auto f = thrower();
    auto copy = f;
    EXPECT_EQ(stderr_of([&] {
                  let_others_run();
                  f = {};
              }),
              "");
    EXPECT_EQ(count_of("boom", stderr_of([&] { copy = {}; })), 1);
}

TEST_F(unhandled, exception_is_reported_whatever_its_type) {
    const std::string report = stderr_of([] {
        spawn([] { throw 42; });
        let_others_run();
    });
    EXPECT_EQ(count_of("not a std::exception", report), 1) << report;
}

TEST_F(unhandled, exception_is_not_reported_when_somebody_looked) {
    EXPECT_EQ(stderr_of([] {
                  thrower().join();
                  EXPECT_THROW(thrower().get(), std::runtime_error);
                  auto asked = thrower();
                  let_others_run();
                  EXPECT_NE(asked.exception(), nullptr);
                  auto linked = thrower();
                  linked.link([](const ramie::fiber_base& f) { static_cast<void>(f.exception()); });
                  linked = {};
                  let_others_run();
              }),
              "");
}

TEST_F(unhandled, exception_is_reported_when_nobody_looked_in_time) {
    const auto late = [] {
        return spawn([] {
            this_fiber::sleep_for(1s);
            throw std::runtime_error("boom");
        });
    };
    const std::string report = stderr_of([&] {
        EXPECT_FALSE(late().join(500ms));
        EXPECT_EQ(late().exception(), nullptr);
        auto interrupted = spawn([&] { late().join(); });
        this_fiber::sleep_for(100ms);
        interrupted.kill();
        this_fiber::sleep_for(5s);
    });
    EXPECT_EQ(count_of("boom", report), 3) << report;
}

TEST_F(unhandled, exception_is_reported_when_the_fiber_was_only_killed) {
    const std::string report = stderr_of([] {
        auto started = spawn([] { this_fiber::sleep_for(1h); });
        auto interrupted = spawn([] { this_fiber::sleep_for(1h); });
        this_fiber::yield();
        started.kill(boom());
        auto not_started = spawn([] {});
        not_started.kill(boom());
        interrupted.try_kill(boom());
        interrupted = {};
        let_others_run();
    });
    EXPECT_EQ(count_of("boom", report), 3) << report;
}

TEST_F(unhandled, exception_is_not_reported_when_one_kills_and_another_joins) {
    EXPECT_EQ(stderr_of([] {
                  auto f = spawn([] { this_fiber::sleep_for(1h); });
                  this_fiber::yield();
                  auto killer = spawn([f] { f.kill(boom()); });
                  auto joiner = spawn([f] { f.join(); });
                  f = {};
                  ramie::join_all(std::vector{killer, joiner});
              }),
              "");
}

TEST_F(unhandled, fiber_exit_is_nobody_s_business) {
    EXPECT_EQ(stderr_of([] {
                  spawn([] { throw ramie::fiber_exit(); });
                  auto f = spawn([] { this_fiber::sleep_for(1h); });
                  this_fiber::yield();
                  f.kill();
                  let_others_run();
              }),
              "");
}

TEST_F(unhandled, exception_of_a_posted_function_is_reported) {
    const std::string report = stderr_of([] {
        const auto here = ramie::this_scheduler();
        here.post([] { throw std::runtime_error("boom"); });
        here.post([] { spawn([] {}); });
        this_fiber::sleep_for(1s);
    });
    EXPECT_EQ(count_of("boom", report), 1);
    EXPECT_EQ(count_of("posted function", report), 1);
}

TEST_F(unhandled, exception_goes_to_the_program_s_own_handler) {
    std::vector<std::string> where;
    ramie::on_unhandled_exception([&](const std::string& w, const std::exception_ptr& error) {
        where.push_back(w);
        EXPECT_THROW(std::rethrow_exception(error), std::runtime_error);
    });
    EXPECT_EQ(stderr_of([] {
                  thrower();
                  let_others_run();
              }),
              "");
    ASSERT_EQ(where.size(), 1U);
    EXPECT_NE(where[0].find("thrower"), std::string::npos);

    ramie::on_unhandled_exception(nullptr);
    EXPECT_EQ(count_of("boom", stderr_of([] {
                           thrower();
                           let_others_run();
                       })),
              1);
    EXPECT_EQ(where.size(), 1U);
}

TEST_F(unhandled, exception_survives_a_handler_that_throws) {
    ramie::on_unhandled_exception([](const std::string&, const std::exception_ptr&) {
        throw std::logic_error("the handler is broken");
    });
    const std::string report = stderr_of([] {
        thrower();
        EXPECT_EQ(spawn([] { return 1; }).get(), 1);
        auto held = thrower();
        let_others_run();
    });
    EXPECT_EQ(count_of("boom", report), 2) << report;
    EXPECT_EQ(count_of("the handler is broken", report), 2) << report;
}

TEST_F(unhandled, exception_may_be_handled_by_something_that_suspends) {
    int handled = 0;
    ramie::on_unhandled_exception([&](const std::string&, const std::exception_ptr&) {
        this_fiber::sleep_for(1s);
        ++handled;
    });
    thrower();
    // The sleep of the one who is next must not be disturbed.
    const auto start = clock_.elapsed();
    this_fiber::sleep_for(100ms);
    EXPECT_EQ(clock_.elapsed() - start, 100ms);
    auto killed = spawn([] {});
    killed.try_kill(boom());
    killed = {};
    this_fiber::sleep_for(5s);
    EXPECT_EQ(handled, 2);
}

TEST_F(unhandled, exception_during_shutdown_is_reported) {
    ramie::test::end_scheduler();
    const std::string report = stderr_of([] {
        ramie::run([] {
            spawn({.name = "cleaner"}, [] {
                try {
                    this_fiber::sleep_for(1h);
                } catch (...) {
                    throw std::runtime_error("boom");
                }
            });
            this_fiber::yield();
        });
    });
    EXPECT_EQ(count_of("cleaner", report), 1);
    EXPECT_EQ(count_of("boom", report), 1);
}

TEST_F(unhandled, exception_is_reported_when_the_handle_outlived_run) {
    ramie::test::end_scheduler();
    ramie::fiber<> f;
    ramie::run([&] {
        f = thrower();
        let_others_run();
    });
    EXPECT_EQ(count_of("boom", stderr_of([&] { f = {}; })), 1);
}

}  // namespace
