#include "ramie/queue.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using queue = ramie::test::virtual_time_test;
using lifo_queue = ramie::test::virtual_time_test;
using priority_queue = ramie::test::virtual_time_test;
using joinable_queue = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::error_of;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

TEST_F(queue, is_first_in_first_out_and_bounded) {
    ramie::queue<int> q(2);
    EXPECT_TRUE(q.empty());
    EXPECT_TRUE(q.put(1));
    EXPECT_TRUE(q.try_put(2));
    EXPECT_TRUE(q.full());
    EXPECT_FALSE(q.try_put(3));
    EXPECT_FALSE(q.put(3, 1s));
    EXPECT_EQ(q.peek(), 1);
    EXPECT_EQ(q.get(), 1);
    EXPECT_EQ(q.try_get(), 2);
    EXPECT_EQ(q.try_get(), std::nullopt);
    EXPECT_THROW(q.get(1s), ramie::timeout_expired);
    EXPECT_THROW(q.peek(1s), ramie::timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 3s);
    EXPECT_THROW(ramie::queue<int>(0), std::invalid_argument);
}

TEST_F(queue, serves_getters_and_putters_in_order_of_arrival) {
    ramie::queue<int> q(1);
    std::vector<int> got, put;
    for (int i = 0; i != 10; ++i)
        spawn([&, i] {
            const int item = q.get();
            got.push_back(100 * i + item);
        });
    for (int i = 0; i != 20; ++i)
        spawn([&, i] {
            q.put(i);
            put.push_back(i);
        });
    this_fiber::sleep_for(1s);
    EXPECT_FALSE(q.try_put(99)) << "it belongs to those who wait";
    for (int i = 10; i != 20; ++i) EXPECT_EQ(q.get(), i);
    for (int i = 0; i != 10; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], 101 * i);
    for (int i = 0; i != 20; ++i) EXPECT_EQ(put[static_cast<std::size_t>(i)], i);
}

TEST_F(queue, promises_an_item_to_the_getter_that_waited_for_it) {
    ramie::queue<int> q;
    int got = 0;
    auto getter = spawn([&] { got = q.get(); });
    this_fiber::yield();
    q.put(1);
    EXPECT_EQ(q.size(), 1U);
    EXPECT_EQ(q.try_get(), std::nullopt);
    getter.join();
    EXPECT_EQ(got, 1);
}

TEST_F(queue, moves_what_can_only_be_moved_and_only_when_there_is_room) {
    ramie::queue<std::unique_ptr<int>> q(1);
    q.put(std::make_unique<int>(1));
    auto second = std::make_unique<int>(2);
    EXPECT_FALSE(q.try_put(std::move(second)));
    EXPECT_FALSE(q.put(std::move(second), 1s));
    ASSERT_NE(second, nullptr);
    EXPECT_EQ(*q.get(), 1);
}

TEST_F(queue, loses_no_item_to_a_getter_that_gave_up_or_was_killed) {
    ramie::queue<int> q;
    auto impatient = spawn([&] { q.get(1s); });
    impatient.join();
    EXPECT_NE(impatient.exception(), nullptr);
    auto killed = spawn([&] { q.get(); });
    auto next = spawn([&] { return q.get(); });
    this_fiber::yield();
    killed.try_kill();
    q.put(1);  // before the killed one has run
    EXPECT_EQ(next.get(), 1);
    EXPECT_TRUE(q.empty());
}

TEST_F(queue, gives_the_item_to_a_getter_that_is_killed_after_it_was_woken) {
    ramie::queue<int> q;
    int got = 0;
    auto getter = spawn([&] {
        got = q.get();
        q.get();
        ADD_FAILURE() << "the kill was forgotten";
    });
    this_fiber::yield();
    q.put(1);
    getter.try_kill();
    getter.join();
    EXPECT_EQ(got, 1);
    EXPECT_TRUE(q.empty());
}

TEST_F(queue, keeps_nothing_of_a_putter_that_gave_up_or_was_killed) {
    ramie::queue<int> q(1);
    q.put(1);
    auto killed = spawn([&] { q.put(2); });
    auto next = spawn([&] { q.put(3); });
    EXPECT_FALSE(q.put(4, 1s));
    killed.try_kill();
    EXPECT_EQ(q.get(), 1);
    EXPECT_EQ(q.get(), 3);
    next.join();
    EXPECT_TRUE(q.empty());
}

TEST_F(queue, peek_leaves_the_item_to_the_next) {
    ramie::queue<int> q;
    auto looking = spawn([&] { EXPECT_EQ(q.peek(), 1); });
    auto taking = spawn([&] { EXPECT_EQ(q.get(), 1); });
    this_fiber::yield();
    q.put(1);
    taking.join();
    EXPECT_TRUE(looking.ready());
}

TEST_F(queue, ends_a_loop_when_it_is_shut_down_and_empty) {
    ramie::queue<int> q;
    std::vector<int> seen;
    auto reader = spawn([&] {
        for (const int i : q) seen.push_back(i);
    });
    q.put(1);
    this_fiber::yield();
    q.put(2);
    q.put(3);
    q.shutdown();
    reader.join();
    EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
    EXPECT_THROW(q.put(4), ramie::queue_shutdown);
    EXPECT_THROW((void)q.try_put(4), ramie::queue_shutdown);
    EXPECT_THROW(q.get(), ramie::queue_shutdown);
    EXPECT_THROW((void)q.try_get(), ramie::queue_shutdown);
}

TEST_F(queue, that_is_shut_down_releases_all_who_wait) {
    for (const bool immediate : {false, true}) {
        ramie::queue<int> full(1), empty;
        full.put(1);
        int told = 0;
        const auto tell = [&](auto f) {
            return spawn([&told, f] {
                EXPECT_THROW(f(), ramie::queue_shutdown);
                ++told;
            });
        };
        auto a = tell([&] { full.put(2); });
        auto b = tell([&] { empty.get(); });
        auto c = tell([&] { empty.peek(1h); });
        this_fiber::yield();
        full.shutdown(immediate);
        empty.shutdown(immediate);
        ramie::join_all(std::vector<ramie::fiber_base>{a, b, c});
        EXPECT_EQ(told, 3);
        EXPECT_EQ(full.size(), immediate ? 0U : 1U);
    }
}

// The getter was promised the item that is dropped.
TEST_F(queue, that_drops_its_items_tells_who_was_promised_one) {
    ramie::queue<int> q;
    auto getter = spawn([&] { EXPECT_THROW(q.get(), ramie::queue_shutdown); });
    this_fiber::yield();
    q.put(1);
    q.shutdown(true);
    getter.join();
    EXPECT_TRUE(q.empty());
}

struct reluctant {
    explicit reluctant(bool* will) : willing(will) {}
    reluctant(reluctant&& other) : willing(other.willing) {
        if (!*willing) throw std::runtime_error("no");
    }
    reluctant& operator=(reluctant&&) = default;
    bool* willing;
};

TEST_F(queue, keeps_the_item_whose_move_throws) {
    bool willing = true;
    ramie::queue<reluctant> q(1);
    q.put(reluctant(&willing));
    willing = false;
    EXPECT_EQ(error_of<std::runtime_error>([&] { q.get(); }), "no");
    EXPECT_EQ(q.size(), 1U);
    willing = true;
    q.get();
    auto putter = spawn([&] {
        willing = false;
        EXPECT_EQ(error_of<std::runtime_error>([&] { q.put(reluctant(&willing)); }), "no");
        willing = true;
        q.put(reluctant(&willing));
    });
    q.get();
    putter.join();
}

// Of two who wait one was promised the item, the other finds that there will be none. Both fail to
// take it.
// Found: a shutdown that does not count the claims that it gives.
TEST_F(queue, keeps_the_item_whose_move_throws_when_it_is_shut_down) {
    bool willing = true;
    ramie::queue<reluctant> q;
    const auto fail_to_get = [&] {
        EXPECT_EQ(error_of<std::runtime_error>([&] { q.get(); }), "no");
    };
    auto first = spawn(fail_to_get);
    auto second = spawn(fail_to_get);
    this_fiber::yield();
    q.put(reluctant(&willing));
    q.shutdown();
    willing = false;
    first.join();
    second.join();
    willing = true;
    EXPECT_TRUE(q.try_get());
    EXPECT_THROW(q.get(), ramie::queue_shutdown);
}

TEST_F(queue, can_be_used_on_the_loop_without_waiting) {
    ramie::queue<int> q(1);
    ramie::this_scheduler().post([&] { EXPECT_TRUE(q.try_put(1)); });
    EXPECT_EQ(q.get(), 1);
    ramie::this_scheduler().post([&] {
        EXPECT_EQ(q.try_get(), std::nullopt);
        EXPECT_NE(error_of<std::logic_error>([&] { q.get(); }), "");
        q.put(2);
    });
    EXPECT_EQ(q.get(), 2);
}

// A timeout that is cancelled before the fiber that it woke has run never happened.
TEST_F(queue, gives_the_item_to_who_was_passed_over_for_a_timeout_that_was_cancelled) {
    ramie::queue<int> q;
    std::optional<ramie::timeout> limit;
    auto putter = spawn([&] {
        this_fiber::sleep_for(1s);
        EXPECT_TRUE(limit->expired());
        q.put(1);
        limit->cancel();
    });
    auto getter = spawn([&] {
        limit.emplace(1s);
        return q.get();
    });
    EXPECT_EQ(getter.get(), 1);
    putter.join();
}

TEST_F(queue, that_is_destroyed_tells_those_who_wait) {
    auto q = std::make_unique<ramie::queue<int>>();
    auto getter = spawn([&] { EXPECT_THROW(q->get(), std::logic_error); });
    this_fiber::yield();
    q.reset();
    getter.join();
}

TEST_F(lifo_queue, is_last_in_first_out) {
    ramie::lifo_queue<std::string> q;
    q.put("a");
    q.put("b");
    EXPECT_EQ(q.peek(), "b");
    EXPECT_EQ(q.get(), "b");
    q.put("c");
    EXPECT_EQ(q.get(), "c");
    EXPECT_EQ(q.get(), "a");
}

TEST_F(priority_queue, gives_the_smallest_first_and_equal_ones_in_order) {
    struct job {
        int priority;
        int number;
        bool operator<(const job& other) const { return priority < other.priority; }
    };
    ramie::priority_queue<job> q;
    for (int i = 0; i != 100; ++i) q.put({(i * 7) % 5, i});
    job last{-1, -1};
    for (int i = 0; i != 100; ++i) {
        const job next = q.get();
        EXPECT_TRUE(last.priority < next.priority ||
                    (last.priority == next.priority && last.number < next.number));
        last = next;
    }
    ramie::priority_queue<std::unique_ptr<int>> movable;
    movable.put(std::make_unique<int>(1));
    EXPECT_EQ(*movable.get(), 1);
}

TEST_F(joinable_queue, waits_until_all_is_done) {
    ramie::joinable_queue<int> q;
    EXPECT_TRUE(q.join());
    for (int i = 0; i != 3; ++i) q.put(i);
    auto worker = spawn([&] {
        for ([[maybe_unused]] const int i : q) {
            this_fiber::sleep_for(1s);
            q.task_done();
        }
    });
    EXPECT_FALSE(q.join(1s));
    EXPECT_TRUE(q.join());
    EXPECT_EQ(clock_.elapsed(), 3s);
    EXPECT_EQ(q.unfinished(), 0U);
    EXPECT_NE(error_of<std::logic_error>([&] { q.task_done(); }), "");
    worker.kill();
    q.put(1);
    q.put(2);
    auto joining = spawn([&] { EXPECT_TRUE(q.join()); });
    this_fiber::yield();
    q.shutdown(true);
    joining.join();
}

}  // namespace
