#include "ramie/pool.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "ramie/debug.hpp"
#include "ramie/local.hpp"
#include "support/fiber_test.hpp"
#include "support/slow_to_go.hpp"

namespace {

using namespace std::chrono_literals;
using group = ramie::test::virtual_time_test;
using pool = ramie::test::virtual_time_test;
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

// Found: a spawn() that looks at the group again when it has its slot.
TEST_F(pool, may_be_gone_before_those_who_wait_for_a_slot) {
    auto p = std::make_unique<ramie::pool>(1);
    p->spawn(&nap);
    int done = 0;
    const auto one = [](int i) { return i; };
    std::vector<ramie::fiber<>> waiting;
    waiting.push_back(ramie::spawn([&, &from = *p] { from.spawn([&] { ++done; }); }));
    waiting.push_back(ramie::spawn([&, &from = *p] { done += from.apply(one, 10); }));
    waiting.push_back(ramie::spawn([&, &from = *p] {
        for (const int i : from.map(std::array{100, 100}, one)) done += i;
    }));
    this_fiber::yield();
    p.reset();
    ramie::join_all(waiting, ramie::on_error::rethrow);
    EXPECT_EQ(done, 211);
}

TEST_F(pool, spawns_within_a_deadline) {
    ramie::pool p(1);
    p.spawn(&nap);
    EXPECT_EQ(p.spawn_until(500ms, &nap), std::nullopt);
    EXPECT_TRUE(p.spawn_until(5s, &nap).has_value());
    EXPECT_EQ(clock_.elapsed(), 1s);
    EXPECT_TRUE(p.join());
}

// Found: a member that leaves with its callable.
TEST_F(group, is_left_when_nothing_of_a_member_is_left) {
    ramie::group g;
    bool value_gone = false;
    bool result_gone = false;
    ramie::local<std::unique_ptr<ramie::test::slow_to_go>> own(
        [&] { return std::make_unique<ramie::test::slow_to_go>(value_gone); });
    g.spawn([&] {
        own->get();
        return std::make_unique<ramie::test::slow_to_go>(result_gone);
    });
    EXPECT_TRUE(g.join());
    EXPECT_TRUE(value_gone && result_gone);
    g.spawn([&] {
        own->get();
        nap();
    });
    this_fiber::yield();
    value_gone = false;
    EXPECT_TRUE(g.kill());
    EXPECT_TRUE(value_gone);
}

TEST_F(pool, maps_to_what_can_only_be_moved_and_to_nothing) {
    ramie::pool p(2);
    const auto boxed = [](int i) { return std::make_unique<int>(i); };
    int sum = 0;
    const auto add = [&](int i) { sum += i; };
    const std::array items{1, 2, 3};
    EXPECT_EQ(*p.map(items, boxed).at(2), 3);
    EXPECT_EQ(*p.imap(items, boxed).get(), 1);
    EXPECT_EQ(*p.apply(boxed, 7), 7);
    p.map(items, add);
    p.apply(add, 10);
    for ([[maybe_unused]] const auto& nothing : p.imap(items, add)) sum += 100;
    auto unordered = p.imap_unordered(items, add);
    for (int i = 0; i != 3; ++i) unordered.get();
    EXPECT_THROW(unordered.get(), ramie::queue_shutdown);
    EXPECT_EQ(sum, 6 + 10 + 306 + 6);
    p.join();
}

// Found: a handle for each item, which keeps its stack.
TEST_F(pool, has_no_more_stacks_than_members_however_many_items_there_are) {
    ramie::pool p(3);
    const std::size_t before = ramie::stats().stacks_in_use;
    std::size_t most = 0;
    const auto count = [&](int i) {
        this_fiber::yield();
        most = std::max(most, ramie::stats().stacks_in_use - before);
        return i;
    };
    std::vector<int> items(1000);
    std::iota(items.begin(), items.end(), 0);
    EXPECT_EQ(p.map(items, count), items);
    EXPECT_LE(most, 4U);
    auto results = p.imap(items, count);
    p.imap_unordered(items, count).get();
    this_fiber::sleep_for(1s);
    EXPECT_LE(most, 8U) << "the members, their feeders, and who has just ended";
    EXPECT_LE(ramie::stats().stacks_in_use - before, 1U) << "that of the feeder, of the range";
    for (const int i : items) EXPECT_EQ(results.get(), i);
}

// Found: to throw the member's fiber_exit at whoever asks, whose end it would be.
TEST_F(pool, ends_nobody_else_when_its_members_are_killed) {
    ramie::pool p(2);
    const auto expect_cancelled = [](auto f) {
        return ramie::spawn([f] { EXPECT_THROW(f(), ramie::future_cancelled); });
    };
    const std::array items{1, 2};
    std::vector<ramie::fiber<>> asking;
    asking.push_back(expect_cancelled([&] { p.map(items, [](int) { nap(); }); }));
    this_fiber::yield();
    this_fiber::yield();
    p.kill();
    asking.push_back(expect_cancelled([&] { p.apply(&nap); }));
    this_fiber::yield();
    this_fiber::yield();
    p.kill();
    for (const bool ordered : {true, false})
        asking.push_back(ramie::spawn([&, ordered] {
            const auto sleep = [](int i) { return nap(), i; };
            auto results = ordered ? p.imap(items, sleep) : p.imap_unordered(items, sleep);
            EXPECT_THROW(results.get(), ramie::future_cancelled);
            EXPECT_THROW(results.get(), ramie::future_cancelled);
            EXPECT_THROW(results.get(), ramie::queue_shutdown);
        }));
    ramie::test::let_others_run();
    p.kill();
    this_fiber::sleep_for(500ms);
    p.kill();
    ramie::join_all(asking, ramie::on_error::rethrow);
}

TEST_F(pool, hands_the_end_of_the_program_to_the_main_fiber) {
    ramie::pool p(2);
    const auto leave = [](int i) {
        if (i == 2) throw ramie::system_exit{4};
        nap();
    };
    for (const bool ordered : {true, false}) {
        const std::vector items{1, 2};
        auto results = ordered ? p.imap(items, leave) : p.imap_unordered(items, leave);
        EXPECT_THROW(this_fiber::sleep_for(1h), ramie::system_exit);
    }
    p.join();
}

}  // namespace
