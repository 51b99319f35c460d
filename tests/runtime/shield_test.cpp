#include "ramie/shield.hpp"

#include <optional>
#include <stdexcept>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/queue.hpp"
#include "ramie/task_group.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using shield = ramie::test::virtual_time_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

TEST_F(shield, holds_a_kill_off_until_the_next_wait_after_it) {
    bool cleaned = false;
    bool left = false;
    auto f = spawn([&] {
        {
            const ramie::shield cleanup;
            this_fiber::sleep_for(1s);
            this_fiber::yield();
            cleaned = true;
        }
        left = true;
        this_fiber::yield();
        ADD_FAILURE() << "it lives on";
    });
    this_fiber::yield();
    EXPECT_TRUE(f.kill());
    EXPECT_TRUE(cleaned);
    EXPECT_TRUE(left);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(shield, holds_a_timeout_off_too_but_no_deadline_of_a_call) {
    ramie::event never;
    std::optional<ramie::timeout> outer(1s);
    {
        const ramie::shield cleanup;
        const ramie::timeout inner(500ms);
        EXPECT_FALSE(never.wait(2s));
        EXPECT_TRUE(inner.expired());
        EXPECT_TRUE(outer->expired());
    }
    EXPECT_EQ(clock_.elapsed(), 2s);
    EXPECT_THROW(this_fiber::sleep_for(1h), ramie::timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 2s);
}

TEST_F(shield, nests) {
    auto f = spawn([] {
        const ramie::shield outer;
        { const ramie::shield inner; }
        this_fiber::sleep_for(1s);
    });
    this_fiber::yield();
    f.kill();
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(shield, refuses_a_recursion) {
    std::vector<std::unique_ptr<ramie::shield>> shields;
    EXPECT_THROW(for (;;) shields.push_back(std::make_unique<ramie::shield>()), std::length_error);
    EXPECT_EQ(shields.size(), 100U);
}

TEST_F(shield, is_not_broken_by_what_is_waited_for) {
    ramie::queue<int> q;
    auto f = spawn([&] {
        const ramie::shield cleanup;
        EXPECT_EQ(q.get(), 1);
        EXPECT_TRUE(ramie::select(ramie::on_get(q, [](int i) { EXPECT_EQ(i, 2); })).has_value());
    });
    this_fiber::yield();
    f.try_kill();
    this_fiber::yield();
    q.put(1);
    this_fiber::yield();
    q.put(2);
    f.join();
}

TEST_F(shield, holds_off_the_failure_of_a_child) {
    bool cleaned = false;
    EXPECT_THROW(ramie::with_task_group([&](ramie::task_group& tasks) {
                     tasks.spawn([] { throw std::runtime_error("boom"); });
                     const ramie::shield cleanup;
                     this_fiber::sleep_for(1s);
                     cleaned = true;
                 }),
                 std::runtime_error);
    EXPECT_TRUE(cleaned);
}

TEST_F(shield, is_waited_for_by_the_end_of_run) {
    bool cleaned = false;
    ramie::test::end_scheduler();
    ramie::run([&] {
        spawn([&] {
            const ramie::shield cleanup;
            this_fiber::sleep_for(20ms);
            cleaned = true;
        });
        this_fiber::yield();
    });
    EXPECT_TRUE(cleaned);
}

}  // namespace
