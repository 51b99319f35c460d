#include "ramie/post.hpp"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "support/fiber_test.hpp"
#include "support/threads.hpp"

namespace {

using namespace std::chrono_literals;
using post = ramie::test::fiber_test;
using ramie::spawn;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

TEST_F(post, runs_a_function_on_the_loop) {
    const auto here = ramie::this_scheduler();
    ramie::event done;
    bool ran = false;
    EXPECT_TRUE(here.post([&] {
        ran = true;
        EXPECT_TRUE(here.is_current());
        EXPECT_EQ(this_fiber::self(), ramie::fiber_base());
        done.set();
    }));
    EXPECT_FALSE(ran);
    done.wait();
    EXPECT_TRUE(ran);
}

TEST_F(post, comes_from_any_thread) {
    const auto here = ramie::this_scheduler();
    ramie::event done;
    std::thread::id ran_on;
    std::thread other([&, here] {
        EXPECT_FALSE(here.is_current());
        ramie::post(here, [&] {
            ran_on = std::this_thread::get_id();
            done.set();
        });
    });
    done.wait();
    other.join();
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

// The poller sleeps in the kernel; nobody but the post wakes it.
TEST_F(post, wakes_a_scheduler_that_sleeps) {
    const auto here = ramie::this_scheduler();
    ramie::event done;
    std::thread other([&, here, thread = ::gettid()] {
        for (int i = 0; i != 20; ++i) {
            ramie::test::until_it_waits(thread);
            here.post([&, i] {
                if (i == 19) done.set();
            });
        }
    });
    done.wait();
    other.join();
}

TEST_F(post, keeps_the_order_and_loses_nothing) {
    constexpr int each = 2000;
    const auto here = ramie::this_scheduler();
    std::vector<int> next(4, 0);
    ramie::event done;
    int total = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t != 4; ++t)
        threads.emplace_back([&, here, t] {
            for (int i = 0; i != each; ++i)
                here.post([&, t, i] {
                    EXPECT_EQ(next[static_cast<std::size_t>(t)]++, i);
                    if (++total == 4 * each) done.set();
                });
        });
    done.wait();
    for (auto& t : threads) t.join();
    EXPECT_EQ(total, 4 * each);
}

TEST_F(post, from_a_posted_function_runs_in_a_later_round) {
    const auto here = ramie::this_scheduler();
    ramie::event done;
    std::vector<int> order;
    here.post([&] {
        here.post([&] {
            order.push_back(3);
            done.set();
        });
        order.push_back(1);
    });
    here.post([&] { order.push_back(2); });
    done.wait();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

// gevent case 23 in spirit: what would block the loop says so.
TEST_F(post, refuses_to_block_the_loop_and_tells_what_to_do) {
    ramie::event done, never;
    const auto here = ramie::this_scheduler();
    auto parked = spawn([&] { done.wait(); });
    std::vector<std::string> refusals;
    here.post([&] {
        const auto refusal = [&](auto call) {
            refusals.push_back(error_of<std::logic_error>(call));
        };
        refusal([] { this_fiber::yield(); });
        refusal([] { this_fiber::sleep_for(1s); });
        refusal([] { this_fiber::sleep_for(0s); });
        refusal([&] { never.wait(); });
        refusal([&] { parked.join(); });
        refusal([&] { ramie::wait_any(std::vector{parked}); });
        spawn([&] { done.set(); });
    });
    done.wait();
    ASSERT_EQ(refusals.size(), 6U);
    for (const auto& text : refusals) EXPECT_NE(text.find("spawn a fiber"), std::string::npos);
    parked.join();
}

TEST_F(post, is_not_starved_by_fibers_that_never_wait) {
    const auto here = ramie::this_scheduler();
    std::atomic<bool> done = false;
    std::thread other([&, here] { here.post([&] { done = true; }); });
    while (!done) this_fiber::yield();
    other.join();
}

TEST_F(post, is_refused_when_the_scheduler_has_ended) {
    std::optional<ramie::scheduler_handle> handle;
    auto token = std::make_shared<int>();
    bool ran = false;
    ramie::run([&] { handle = ramie::this_scheduler(); });
    EXPECT_FALSE(handle->post([&, token] { ran = true; }));
    EXPECT_EQ(token.use_count(), 1);
    EXPECT_FALSE(handle->is_current());
    ramie::run([&] {
        EXPECT_FALSE(handle->is_current());
        this_fiber::yield();
    });
    EXPECT_FALSE(ran);
}

TEST_F(post, destroys_what_comes_too_late_to_run) {
    auto token = std::make_shared<int>();
    ramie::run([&] { ramie::this_scheduler().post([token] { ADD_FAILURE() << "it ran"; }); });
    EXPECT_EQ(token.use_count(), 1);
}

TEST_F(post, is_waited_for_while_a_handle_exists) {
    ramie::event news;
    auto here = std::make_unique<ramie::scheduler_handle>(ramie::this_scheduler());
    std::thread other([handle = *here, &news, thread = ::gettid()] {
        ramie::test::until_it_waits(thread);
        const ramie::scheduler_handle copy = handle;
        copy.post([&] { news.set(); });
    });
    here.reset();
    EXPECT_TRUE(news.wait());
    other.join();
}

// The last handle goes without a post: now it is a deadlock.
TEST_F(post, is_not_waited_for_when_the_last_handle_is_gone) {
    ramie::event news;
    std::thread other([handle = ramie::this_scheduler(), thread = ::gettid()]() mutable {
        ramie::test::until_it_waits(thread);
        const auto moved = std::move(handle);
    });
    EXPECT_THROW(news.wait(), ramie::deadlock_error);
    other.join();
}

TEST_F(post, just_before_the_last_handle_goes_is_no_deadlock) {
    for (int i = 0; i != 500; ++i) {
        ramie::event news;
        std::thread other([handle = ramie::this_scheduler(), &news] {
            const auto moved = std::move(handle);
            moved.post([&] { news.set(); });
        });
        ASSERT_TRUE(news.wait());
        other.join();
    }
}

}  // namespace
