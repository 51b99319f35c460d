#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/testing.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using namespace ramie::testing;
using explore_seeds = ramie::test::fiber_test;
using explore_every = ramie::test::fiber_test;
using seeded = ramie::test::fiber_test;
using ramie::spawn;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

// Rethrows what any of them ended with.
void join_all(const std::vector<ramie::fiber_base>& fibers) {
    ramie::join_all(fibers, ramie::on_error::rethrow);
}

// In which order three fibers run, two turns each.
std::string order_of_turns() {
    std::string order;
    const auto turns = [&order](char name) {
        order += name;
        this_fiber::yield();
        order += name;
    };
    join_all({spawn(turns, 'a'), spawn(turns, 'b'), spawn(turns, 'c')});
    return order;
}

// Two increments, of which one is lost when the other comes between reading and writing.
void racing_increments() {
    int count = 0;
    const auto increment = [&count] {
        const int seen = count;
        preempt();
        count = seen + 1;
    };
    join_all({spawn(increment), spawn(increment)});
    require(count == 2, "no increment is lost");
}

std::string failing_seed(const auto& f) {
    try {
        f();
    } catch (const exploration_failed& e) {
        return e.seed();
    }
    return "none";
}

class with_seed {
  public:
    explicit with_seed(const std::string& seed) { ::setenv("RAMIE_SEED", seed.c_str(), 1); }
    ~with_seed() { ::unsetenv("RAMIE_SEED"); }
    with_seed(const with_seed&) = delete;
    with_seed& operator=(const with_seed&) = delete;
};

TEST_F(explore_seeds, tries_other_orders) {
    std::set<std::string> seen;
    EXPECT_EQ(explore(500, [&] { seen.insert(order_of_turns()); }), 500U);
    EXPECT_GT(seen.size(), 40U);  // of 90
    EXPECT_TRUE(seen.contains("abcabc"));
    EXPECT_TRUE(seen.contains("ccbbaa"));
}

TEST_F(explore_seeds, repeats_a_seed_exactly) {
    std::vector<std::string> first;
    std::vector<std::string> second;
    explore(100, [&] { first.push_back(order_of_turns()); });
    explore(100, [&] { second.push_back(order_of_turns()); });
    EXPECT_EQ(first, second);
}

TEST_F(explore_seeds, finds_a_race_and_repeats_it) {
    const std::string seed = failing_seed([] { explore(2000, racing_increments); });
    ASSERT_NE(seed, "none");
    const with_seed only(seed);
    int runs = 0;
    const std::string message = error_of<exploration_failed>([&] {
        explore(2000, [&] {
            ++runs;
            racing_increments();
        });
    });
    EXPECT_EQ(runs, 1);
    EXPECT_NE(message.find("no increment is lost"), message.npos);
    EXPECT_NE(message.find("RAMIE_SEED=" + seed), message.npos);
}

TEST_F(explore_seeds, takes_a_wait_for_nothing_for_a_failure) {
    const std::string message = error_of<exploration_failed>([] {
        explore(1, [] {
            ramie::event never;
            never.wait();
        });
    });
    EXPECT_NE(message.find("deadlock"), message.npos) << message;
}

TEST_F(explore_seeds, takes_an_exception_that_nobody_takes_for_a_failure) {
    const std::string message = error_of<exploration_failed>([] {
        explore(1, [] {
            spawn([] { throw std::runtime_error("boom"); });
            this_fiber::sleep_for(1h);
        });
    });
    EXPECT_NE(message.find("boom"), message.npos) << message;
}

TEST_F(explore_seeds, takes_a_run_without_end_for_a_failure) {
    const std::string message = error_of<exploration_failed>([] {
        explore(1,
                [] {
                    for (;;) this_fiber::yield();
                },
                {.most_switches = 1000});
    });
    EXPECT_NE(message.find("did not end"), message.npos) << message;
}

TEST_F(explore_seeds, takes_a_stack_that_is_held_for_a_failure) {
    ramie::fiber<> kept;
    EXPECT_THROW(explore(1, [&] { kept = spawn([] {}); }), exploration_failed);
}

TEST_F(explore_seeds, asks_the_test_framework) {
    int runs = 0;
    const auto fails_at_five = [&] { return ++runs == 5; };
    EXPECT_EQ(failing_seed([&] { explore(10, [] {}, {.has_failed = fails_at_five}); }), "5");
}

TEST_F(explore_seeds, tells_the_model_its_seed) {
    std::vector<std::uint64_t> seeds;
    explore(3, [&] { seeds.push_back(seed()); }, {.first_seed = 7});
    EXPECT_EQ(seeds, (std::vector<std::uint64_t>{7, 8, 9}));
    EXPECT_EQ(seed(), 0U);
}

TEST_F(explore_seeds, leaves_the_fibers_around_it_alone) {
    auto sleeper = spawn([] { this_fiber::sleep_for(1ms); });
    this_fiber::yield();
    explore(10, [] { this_fiber::sleep_for(1h); });
    EXPECT_TRUE(sleeper.join(10s));
    spawn([] { EXPECT_THROW(explore(1, [] {}), std::logic_error); }).join();
}

TEST_F(explore_seeds, lets_nobody_starve_who_waits_for_a_yield_loop) {
    explore(200, [] {
        bool done = false;
        auto setter = spawn([&] { done = true; });
        auto first = spawn([&] {
            while (!done) this_fiber::yield();
        });
        auto second = spawn([&] {
            while (!done) this_fiber::yield();
        });
        join_all({setter, first, second});
    });
}

TEST_F(explore_every, visits_each_order_once) {
    std::vector<std::string> seen;
    const auto runs = explore_all([&] {
        std::string order;
        for (const char name : {'a', 'b', 'c'}) spawn([&order, name] { order += name; });
        this_fiber::sleep_for(1s);
        seen.push_back(order);
    });
    EXPECT_EQ(runs, 6U);
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, (std::vector<std::string>{"abc", "acb", "bac", "bca", "cab", "cba"}));
}

TEST_F(explore_every, keeps_to_the_allowed_preemptions) {
    const auto failing = [](unsigned allowed) {
        return failing_seed([&] { explore_all(racing_increments, {.preemptions = allowed}); });
    };
    EXPECT_EQ(failing(0), "none");
    EXPECT_NE(failing(1), "none");
}

TEST_F(explore_every, repeats_the_path_it_has_named) {
    const std::string path = failing_seed([] { explore_all(racing_increments); });
    ASSERT_EQ(path.substr(0, 5), "path:");
    const with_seed only(path);
    int runs = 0;
    EXPECT_EQ(failing_seed([&] {
                  explore_all([&] {
                      ++runs;
                      racing_increments();
                  });
              }),
              path);
    EXPECT_EQ(runs, 1);
}

TEST_F(explore_every, ends_though_fibers_wait_in_yield_loops) {
    EXPECT_GT(explore_all([] {
                  bool done = false;
                  auto waiter = spawn([&] {
                      while (!done) this_fiber::yield();
                  });
                  auto other = spawn([&] {
                      while (!done) this_fiber::yield();
                  });
                  spawn([&] { done = true; }).join();
                  join_all({waiter, other});
              }),
              1U);
}

TEST_F(explore_every, refuses_a_model_that_is_too_large) {
    EXPECT_THROW(explore_all([] { order_of_turns(); }, {.most_runs = 3}), std::length_error);
}

TEST_F(explore_every, notices_a_model_that_does_not_repeat_itself) {
    int runs = 0;
    const std::string message = error_of<exploration_failed>([&] {
        explore_all([&] {
            ++runs;
            for (int i = 0; i != 1 + runs; ++i) spawn([] {});
            this_fiber::sleep_for(1s);
        });
    });
    EXPECT_NE(message.find("same each time"), message.npos) << message;
}

TEST_F(seeded, repeats_the_order_of_a_run) {
    const auto order_under = [](std::uint64_t seed) {
        const seeded_scheduler schedule(seed);
        return order_of_turns();
    };
    std::set<std::string> seen;
    for (std::uint64_t seed = 1; seed != 21; ++seed) {
        EXPECT_EQ(order_under(seed), order_under(seed));
        seen.insert(order_under(seed));
    }
    EXPECT_GT(seen.size(), 5U);
    EXPECT_EQ(order_of_turns(), "abcabc");
}

TEST_F(seeded, takes_its_seed_from_the_environment) {
    const with_seed only("17");
    EXPECT_EQ(seeded_scheduler().seed(), 17U);
}

TEST_F(seeded, names_its_seed_when_an_exception_ends_it) {
    const std::string said = ramie::test::stderr_of([] {
        try {
            const seeded_scheduler schedule(23);
            throw std::runtime_error("boom");
        } catch (const std::runtime_error&) {
        }
    });
    EXPECT_NE(said.find("RAMIE_SEED=23"), said.npos) << said;
}

TEST_F(seeded, names_its_seed_when_the_test_has_failed) {
    const auto said = [](bool failed) {
        return ramie::test::stderr_of(
            [failed] { const seeded_scheduler schedule(23, [failed] { return failed; }); });
    };
    EXPECT_NE(said(true).find("RAMIE_SEED=23"), std::string::npos);
    EXPECT_EQ(said(false), "");
}

TEST_F(seeded, takes_no_path_for_a_seed) {
    const with_seed only("path:0.1");
    const auto seed_of_one = [] { return seeded_scheduler().seed(); };
    EXPECT_NE(seed_of_one(), seed_of_one());
}

TEST_F(seeded, is_one_for_each_thread) {
    const seeded_scheduler schedule(1);
    EXPECT_THROW(seeded_scheduler(2), std::logic_error);
}

}  // namespace
