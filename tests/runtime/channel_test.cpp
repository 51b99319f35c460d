#include "ramie/channel.hpp"

#include <memory>
#include <optional>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using channel = ramie::test::virtual_time_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

TEST_F(channel, is_a_meeting) {
    ramie::channel<int> c;
    EXPECT_FALSE(c.try_put(1));
    EXPECT_EQ(c.try_get(), std::nullopt);
    bool taken = false;
    auto putter = spawn([&] {
        EXPECT_TRUE(c.put(1));
        taken = true;
    });
    this_fiber::sleep_for(1s);
    EXPECT_FALSE(taken);
    EXPECT_EQ(c.get(), 1);
    putter.join();
    EXPECT_TRUE(taken);
    auto getter = spawn([&] { return c.get(); });
    this_fiber::yield();
    EXPECT_TRUE(c.try_put(2));
    EXPECT_FALSE(c.try_put(3));
    EXPECT_EQ(getter.get(), 2);
}

TEST_F(channel, serves_in_order_of_arrival) {
    ramie::channel<int> c;
    std::vector<int> got;
    for (int i = 0; i != 5; ++i) spawn([&, i] { c.put(i); });
    this_fiber::yield();
    for (int i = 0; i != 5; ++i) EXPECT_EQ(c.get(), i);
    for (int i = 0; i != 5; ++i) spawn([&, i] { got.push_back(10 * i + c.get()); });
    this_fiber::yield();
    for (int i = 0; i != 5; ++i) c.put(i);
    this_fiber::yield();
    EXPECT_EQ(got, (std::vector<int>{0, 11, 22, 33, 44}));
}

TEST_F(channel, loses_nothing_when_one_side_gives_up) {
    ramie::channel<std::unique_ptr<int>> c;
    auto item = std::make_unique<int>(1);
    EXPECT_FALSE(c.put(std::move(item), 1s));
    ASSERT_NE(item, nullptr);
    EXPECT_THROW(c.get(1s), ramie::timeout_expired);
    auto killed = spawn([&] { c.get(); });
    auto next = spawn([&] { return c.get(); });
    this_fiber::yield();
    killed.try_kill();
    EXPECT_TRUE(c.put(std::move(item)));
    EXPECT_EQ(*next.get(), 1);
    auto putter = spawn([&] { c.put(std::make_unique<int>(2)); });
    this_fiber::yield();
    putter.try_kill();
    EXPECT_EQ(c.try_get(), std::nullopt);
    putter.join();
}

TEST_F(channel, that_handed_an_item_over_does_not_take_it_back) {
    ramie::channel<int> c;
    int got = 0;
    auto getter = spawn([&] {
        got = c.get();
        c.get();
        ADD_FAILURE() << "the kill was forgotten";
    });
    this_fiber::yield();
    c.put(1);
    getter.kill();
    EXPECT_EQ(got, 1);
}

TEST_F(channel, ends_a_loop_and_every_wait_when_it_is_shut_down) {
    ramie::channel<int> c;
    int sum = 0;
    auto reader = spawn([&] {
        for (const int i : c) sum += i;
    });
    c.put(1);
    c.put(2);
    c.shutdown();
    reader.join();
    EXPECT_EQ(sum, 3);
    EXPECT_THROW(c.put(1), ramie::queue_shutdown);
    EXPECT_THROW(c.get(), ramie::queue_shutdown);
    ramie::channel<int> other;
    auto putter = spawn([&] { EXPECT_THROW(other.put(1), ramie::queue_shutdown); });
    this_fiber::yield();
    other.shutdown();
    putter.join();
}

TEST_F(channel, meets_who_was_passed_over_for_a_timeout_that_was_cancelled) {
    ramie::channel<int> c;
    std::optional<ramie::timeout> limit;
    auto putter = spawn([&] {
        this_fiber::sleep_for(1s);
        EXPECT_TRUE(limit->expired());
        EXPECT_FALSE(c.try_put(0));
        limit->cancel();
        c.put(1);
    });
    auto getter = spawn([&] {
        limit.emplace(1s);
        return c.get();
    });
    EXPECT_EQ(getter.get(), 1);
    putter.join();
}

// Found: try_put() without its result there, none at all, and no look at the shutdown.
TEST_F(channel, takes_the_item_of_a_putter_that_was_passed_over) {
    for (const bool shut : {false, true}) {
        ramie::channel<int> c;
        std::optional<ramie::timeout> limit;
        auto getter = spawn([&] {
            this_fiber::sleep_for(1s);
            EXPECT_TRUE(limit->expired());
            EXPECT_EQ(c.try_get(), std::nullopt);
            if (shut) c.shutdown();
            limit->cancel();
            if (shut)
                EXPECT_THROW(c.get(), ramie::queue_shutdown);
            else
                EXPECT_EQ(c.get(1s), 7);
        });
        auto putter = spawn([&] {
            limit.emplace(1s);
            if (shut)
                EXPECT_THROW(c.put(7, 1h), ramie::queue_shutdown);
            else
                EXPECT_TRUE(c.put(7, 1h));
        });
        putter.get();
        getter.get();
    }
    EXPECT_EQ(clock_.elapsed(), 2s);
}

}  // namespace
