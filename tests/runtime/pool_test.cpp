#include "ramie/pool.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <vector>

#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using group = ramie::test::virtual_time_test;
using pool = ramie::test::virtual_time_test;
using imap = ramie::test::virtual_time_test;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

void nap() { this_fiber::sleep_for(1s); }

int square(int i) {
    this_fiber::sleep_for(std::chrono::seconds(10 - i));
    if (i == 3) throw std::runtime_error("three");
    return i * i;
}

TEST_F(group, is_joined_when_it_is_empty) {
    ramie::group g;
    EXPECT_TRUE(g.join());
    for (int i = 0; i != 5; ++i) g.spawn(&nap);
    EXPECT_EQ(g.size(), 5U);
    EXPECT_FALSE(g.join(500ms));
    EXPECT_TRUE(g.join());
    EXPECT_EQ(g.size(), 0U);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

// Found: in crew::begin_kill(), no `++kills_`, and to stop after the first member.
TEST_F(group, kills_its_members_and_those_that_they_add) {
    ramie::group g;
    int ended = 0;
    g.spawn([&] {
        const ramie::test::at_exit add([&] { g.spawn([&] { ADD_FAILURE() << "it started"; }); });
        const ramie::test::at_exit count([&] { ++ended; });
        nap();
    });
    this_fiber::yield();
    g.spawn([] { ADD_FAILURE() << "it started"; });
    EXPECT_TRUE(g.kill());
    EXPECT_EQ(ended, 1);
    EXPECT_EQ(g.size(), 0U);
    g.spawn([&] { ++ended; });
    EXPECT_TRUE(g.join());
    EXPECT_EQ(ended, 2);
}

// It would wait for itself.
// Found: to kill the caller as well in crew::begin_kill().
TEST_F(group, is_killed_but_for_the_member_that_kills_it) {
    ramie::group g;
    int killed = 0;
    for (int i = 0; i != 3; ++i)
        g.spawn([&] {
            const ramie::test::at_exit note([&] { ++killed; });
            nap();
        });
    auto killer = g.spawn([&] {
        EXPECT_TRUE(g.kill());
        EXPECT_EQ(killed, 3);
        EXPECT_EQ(g.size(), 1U);
        EXPECT_TRUE(g.kill());
        this_fiber::sleep_for(1s);
    });
    EXPECT_TRUE(g.join());
    EXPECT_TRUE(killer.successful());
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_F(group, kill_by_a_member_gives_up_at_the_deadline) {
    ramie::group g;
    g.spawn([] {
        const ramie::test::at_exit slow([] { this_fiber::sleep_for(5s); });
        nap();
    });
    g.spawn([&] { EXPECT_FALSE(g.kill(1s)); });
    EXPECT_TRUE(g.join());
    EXPECT_EQ(clock_.elapsed(), 5s);
}

TEST_F(group, of_which_two_members_kill_each_other_ends) {
    ramie::group g;
    for (int i = 0; i != 2; ++i)
        g.spawn([&] {
            this_fiber::sleep_for(1s);
            g.kill();
        });
    EXPECT_TRUE(g.join());
}

TEST_F(group, cannot_be_joined_by_a_member) {
    ramie::group g;
    auto member = g.spawn([&] { EXPECT_THROW(g.join(), std::system_error); });
    EXPECT_TRUE(g.join());
    EXPECT_TRUE(member.successful());
}

// gevent: each member is shot once.
TEST_F(group, kill_leaves_a_member_that_lives_on) {
    ramie::group g;
    auto stubborn = g.spawn([] {
        try {
            nap();
        } catch (const ramie::fiber_exit&) {
        }
        this_fiber::sleep_for(5s);
    });
    this_fiber::yield();
    EXPECT_FALSE(g.kill(1s));
    EXPECT_EQ(g.size(), 1U);
    EXPECT_TRUE(g.join());
    EXPECT_EQ(clock_.elapsed(), 5s);
}

TEST_F(group, may_be_gone_before_its_members) {
    std::optional<ramie::group> g(std::in_place);
    auto f = g->spawn([] { return nap(), 1; });
    g.reset();
    EXPECT_EQ(f.get(), 1);
}

TEST_F(pool, makes_spawn_wait_when_it_is_full) {
    ramie::pool p(2);
    p.spawn(&nap);
    p.spawn(&nap);
    EXPECT_TRUE(p.full());
    EXPECT_EQ(p.try_spawn(&nap), std::nullopt);
    EXPECT_FALSE(p.wait_available(500ms));
    p.spawn(&nap);
    EXPECT_EQ(clock_.elapsed(), 1s);
    EXPECT_TRUE(p.wait_available(0s) || p.full());
    EXPECT_TRUE(p.join());
    EXPECT_EQ(p.free_count(), 2U);
    EXPECT_EQ(clock_.elapsed(), 2s);
}

TEST_F(pool, loses_no_slot_whatever_becomes_of_its_members) {
    ramie::pool p(3);
    auto thrower = p.spawn([] { throw std::runtime_error("boom"); });
    auto killed = p.spawn(&nap);
    auto unstarted = p.spawn(&nap);
    unstarted.kill();
    this_fiber::yield();
    killed.kill();
    thrower.join();
    EXPECT_EQ(p.free_count(), 3U);
    EXPECT_THROW(p.apply([] { throw std::runtime_error("boom"); }), std::runtime_error);
    EXPECT_EQ(p.free_count(), 3U);
}

TEST_F(pool, maps_a_few_at_a_time_and_keeps_the_order) {
    ramie::pool p(3);
    int running = 0, most = 0;
    const std::array items{5, 1, 4, 2, 3, 6, 7};
    const auto results = p.map(items, [&](int i) {
        most = std::max(most, ++running);
        this_fiber::sleep_for(std::chrono::seconds(i));
        --running;
        return 10 * i;
    });
    EXPECT_EQ(results, (std::vector<int>{50, 10, 40, 20, 30, 60, 70}));
    EXPECT_EQ(most, 3);
    EXPECT_EQ(error_of([&] { p.map(std::array{1, 3, 2}, &square); }), "three");
    p.join();
}

// gevent: from inside its own worker it runs inline.
TEST_F(pool, applies_from_its_only_worker) {
    ramie::pool p(1);
    EXPECT_EQ(p.apply([&] { return p.apply([](int i) { return i + 1; }, 1) + 1; }), 3);
}

TEST_F(pool, apply_async_never_waits) {
    ramie::pool p(1);
    std::vector<ramie::fiber<int>> running;
    for (int i = 0; i != 3; ++i)
        running.push_back(p.apply_async([](int n) { return nap(), n; }, i));
    EXPECT_EQ(clock_.elapsed(), 0s);
    EXPECT_EQ(p.size(), 3U);
    for (int i = 0; i != 3; ++i) EXPECT_EQ(running[static_cast<std::size_t>(i)].get(), i);
    EXPECT_EQ(clock_.elapsed(), 3s);
    EXPECT_EQ(p.free_count(), 1U);
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
// Found: no release of the room by what ends without a result.
TEST_F(imap, goes_on_behind_an_item_that_is_killed) {
    ramie::group g;
    const auto make = [](int i) {
        if (i < 3) throw ramie::fiber_exit{};
        return i;
    };
    auto results = g.imap_unordered(std::vector{1, 2, 3, 4}, make, 1);
    EXPECT_EQ(results.get(1s), 3);
    EXPECT_EQ(results.get(1s), 4);
    EXPECT_THROW(results.get(1s), ramie::queue_shutdown);
}

}  // namespace
