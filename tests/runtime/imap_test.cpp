#include <array>
#include <numeric>
#include <vector>

#include "ramie/pool.hpp"
#include "support/fiber_test.hpp"
#include "support/takers.hpp"

namespace {

using namespace std::chrono_literals;
using imap = ramie::test::virtual_time_test;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

int square(int i) {
    this_fiber::sleep_for(std::chrono::seconds(10 - i));
    if (i == 3) throw std::runtime_error("three");
    return i * i;
}

TEST_F(imap, gives_results_in_order) {
    ramie::pool p(10);
    std::vector<int> seen;
    for (const int i : p.imap(std::vector{1, 2, 4}, &square)) seen.push_back(i);
    EXPECT_EQ(seen, (std::vector<int>{1, 4, 16}));
}

// gevent: an item's exception is raised at its position, and the iteration goes on.
TEST_F(imap, throws_at_the_place_of_the_item_that_failed) {
    ramie::pool p(10);
    auto results = p.imap(std::vector{2, 3, 4}, &square);
    EXPECT_EQ(results.get(), 4);
    EXPECT_EQ(error_of([&] { results.get(); }), "three");
    EXPECT_EQ(results.get(), 16);
    EXPECT_THROW(results.get(), ramie::queue_shutdown);
}

TEST_F(imap, gives_results_as_they_are_ready) {
    ramie::pool p(10);
    auto results = p.imap_unordered(std::vector{1, 2, 3, 4}, &square);
    EXPECT_EQ(results.get(), 16);
    EXPECT_EQ(error_of([&] { results.get(); }), "three");
    EXPECT_THROW(results.get(500ms), ramie::timeout_expired);
    EXPECT_EQ(results.get(), 4);
    EXPECT_EQ(results.get(), 1);
    EXPECT_THROW(results.get(), ramie::queue_shutdown);
    p.join();
}

// gevent's issue 638.
TEST_F(imap, runs_no_further_ahead_than_it_may) {
    for (const bool ordered : {true, false}) {
        ramie::group g;
        int started = 0;
        const auto count = [&](int i) { return ++started, i; };
        std::vector<int> items(100);
        std::iota(items.begin(), items.end(), 0);
        const auto take = [&](auto results) {
            ramie::test::let_others_run();
            EXPECT_LE(started, 4);
            for (int i = 0; i != 10; ++i) EXPECT_EQ(results.get(), i);
        };
        if (ordered)
            take(g.imap(items, count, 3));
        else
            take(g.imap_unordered(items, count, 3));
        EXPECT_TRUE(g.join(1s));
        ramie::test::let_others_run();
        EXPECT_LE(started, 14) << "it went on when the range was dropped";
        EXPECT_EQ(clock_.elapsed(), 0s);
    }
}

TEST_F(imap, keeps_a_result_for_the_next_call_when_one_gives_up) {
    ramie::pool p(2);
    const auto slowly = [](int i) {
        this_fiber::sleep_for(std::chrono::seconds(2 * i));
        return i;
    };
    auto results = p.imap(std::vector{1, 2}, slowly);
    EXPECT_THROW(results.get(1s), ramie::timeout_expired);
    auto killed = ramie::spawn([&] { results.get(); });
    this_fiber::yield();
    killed.kill();
    EXPECT_EQ(results.get(), 1);
    EXPECT_EQ(results.get(), 2);
    EXPECT_THROW(results.get(), ramie::queue_shutdown);
}

// Its place is free for the next: with one at a time nothing would begin any more.
// Found: an entry that is left and says nothing.
TEST_F(imap, goes_on_behind_an_item_that_is_killed) {
    ramie::group g;
    const auto make = [](int i) {
        if (i < 3) throw ramie::fiber_exit{};
        return i;
    };
    auto results = g.imap_unordered(std::vector{1, 2, 3, 4}, make, 1);
    EXPECT_THROW(results.get(1s), ramie::future_cancelled);
    EXPECT_THROW(results.get(1s), ramie::future_cancelled);
    EXPECT_EQ(results.get(1s), 3);
    EXPECT_EQ(results.get(1s), 4);
    EXPECT_THROW(results.get(1s), ramie::queue_shutdown);
}

TEST_F(imap, needs_room_for_one_result) {
    ramie::pool p(2);
    const std::array items{1};
    EXPECT_THROW(p.imap(items, &square, 0), std::invalid_argument);
    EXPECT_THROW(p.imap_unordered(items, &square, 0), std::invalid_argument);
}

// Found: one place for whoever waits.
TEST_F(imap, serves_several_takers_in_turn) {
    ramie::pool p(1);
    for (const bool ordered : {true, false}) {
        const auto slowly = [](int i) { return this_fiber::sleep_for(1s), i; };
        const std::vector items{1, 2, 3};
        auto results = ordered ? p.imap(items, slowly) : p.imap_unordered(items, slowly);
        EXPECT_EQ(ramie::test::taken_by_two(results), items);
    }
}

}  // namespace
