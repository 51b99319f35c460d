#include "ramie/task_group.hpp"

#include <memory>
#include <utility>

#include "ramie/local.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"
#include "support/slow_to_go.hpp"

namespace {

using namespace std::chrono_literals;
using task_group = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::with_task_group;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

// Sleeps for ever; says when it is gone.
struct sleeper {
    int& gone;
    void operator()() const {
        const ramie::test::at_exit count([this] { ++gone; });
        this_fiber::sleep_until(ramie::deadline::never());
    }
};

void fail_after(std::chrono::seconds d) {
    this_fiber::sleep_for(d);
    throw std::runtime_error("failed after " + std::to_string(d.count()));
}

TEST_F(task_group, waits_for_its_children) {
    const auto [a, b] = with_task_group([](ramie::task_group& tasks) {
        auto one = tasks.spawn([] { return this_fiber::sleep_for(1s), 1; });
        auto two = tasks.spawn([](int i) { return i; }, 2);
        tasks.spawn([&tasks] { tasks.spawn([] { this_fiber::sleep_for(3s); }); });
        return std::pair(one.get(), two.get());
    });
    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, 2);
    EXPECT_EQ(clock_.elapsed(), 3s);
}

TEST_F(task_group, ends_all_when_one_fails_and_throws_its_error) {
    int gone = 0;
    EXPECT_EQ(error_of([&] {
                  with_task_group([&](ramie::task_group& tasks) {
                      tasks.spawn(sleeper{gone});
                      tasks.spawn(&fail_after, 2s);
                      tasks.spawn(&fail_after, 1s);
                      tasks.spawn(sleeper{gone});
                  });
              }),
              "failed after 1");
    EXPECT_EQ(gone, 2);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(task_group, breaks_the_wait_of_its_body_when_a_child_fails) {
    int gone = 0;
    EXPECT_EQ(error_of([&] {
                  with_task_group([&](ramie::task_group& tasks) {
                      tasks.spawn(sleeper{gone});
                      tasks.spawn(&fail_after, 1s);
                      this_fiber::sleep_for(1h);
                      ADD_FAILURE() << "it slept on";
                  });
              }),
              "failed after 1");
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(task_group, ends_its_children_when_the_body_throws) {
    int gone = 0;
    EXPECT_EQ(error_of([&] {
                  with_task_group([&](ramie::task_group& tasks) {
                      tasks.spawn(sleeper{gone});
                      this_fiber::yield();
                      throw std::runtime_error("body");
                  });
              }),
              "body");
    EXPECT_EQ(gone, 1);
}

TEST_F(task_group, ends_its_children_when_its_fiber_is_killed_or_times_out) {
    int gone = 0;
    const auto wait_for_ever = [&] {
        with_task_group([&](ramie::task_group& tasks) { tasks.spawn(sleeper{gone}); });
    };
    auto f = spawn(wait_for_ever);
    ramie::test::let_others_run();
    f.kill();
    EXPECT_EQ(gone, 1);
    EXPECT_THROW(ramie::with_timeout(1s, wait_for_ever), ramie::timeout_expired);
    EXPECT_EQ(gone, 2);
}

TEST_F(task_group, waits_for_children_that_clean_up) {
    bool cleaned = false;
    with_task_group([&](ramie::task_group& tasks) {
        tasks.spawn([&] {
            const ramie::test::at_exit cleanup([&] {
                this_fiber::sleep_for(1s);
                cleaned = true;
            });
            this_fiber::sleep_for(1h);
        });
        this_fiber::yield();
        tasks.cancel();
    });
    EXPECT_TRUE(cleaned);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(task_group, is_not_ended_by_a_child_that_is_killed) {
    with_task_group([&](ramie::task_group& tasks) {
        auto one = tasks.spawn([] { this_fiber::sleep_for(1h); });
        tasks.spawn([] { this_fiber::sleep_for(1s); });
        this_fiber::yield();
        one.kill();
    });
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(task_group, starts_no_child_once_one_has_failed) {
    EXPECT_EQ(error_of([&] {
                  with_task_group([&](ramie::task_group& tasks) {
                      auto failing = tasks.spawn(&fail_after, 0s);
                      try {
                          failing.join();
                      } catch (const std::runtime_error&) {
                      }
                      tasks.spawn([] { ADD_FAILURE() << "it started"; });
                  });
              }),
              "failed after 0");
    this_fiber::yield();  // the killed one leaves the ready queue
}

TEST_F(task_group, breaks_a_wait_that_follows_a_join_that_was_given_up) {
    EXPECT_EQ(error_of([] {
                  with_task_group([](ramie::task_group& tasks) {
                      tasks.spawn(&fail_after, 2s);
                      EXPECT_THROW(ramie::with_timeout(1s, [&] { tasks.join(); }),
                                   ramie::timeout_expired);
                      this_fiber::sleep_for(1h);
                  });
              }),
              "failed after 2");
    EXPECT_EQ(clock_.elapsed(), 2s);
}

// Found: a child that leaves with its callable, before its values have ended.
TEST_F(task_group, is_not_outlived_by_the_values_of_its_children) {
    bool gone = false;
    ramie::local<std::unique_ptr<ramie::test::slow_to_go>> own(
        [&] { return std::make_unique<ramie::test::slow_to_go>(gone); });
    with_task_group([&](ramie::task_group& tasks) { tasks.spawn([&] { own->get(); }); });
    EXPECT_TRUE(gone);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(task_group, is_joined_within_a_deadline) {
    with_task_group([&](ramie::task_group& tasks) {
        tasks.spawn([] { this_fiber::sleep_for(2s); });
        EXPECT_FALSE(tasks.join(1s));
        EXPECT_EQ(clock_.elapsed(), 1s);
        EXPECT_TRUE(tasks.join(5s));
    });
    EXPECT_EQ(clock_.elapsed(), 2s);
}

}  // namespace
