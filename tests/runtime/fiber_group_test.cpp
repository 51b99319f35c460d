#include "ramie/fiber_group.hpp"

#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using join_all = ramie::test::virtual_time_test;
using kill_all = ramie::test::virtual_time_test;
using wait_any = ramie::test::virtual_time_test;
using wait_some = ramie::test::virtual_time_test;
using ramie::on_error;
using ramie::spawn;
using ramie::test::boom;
using ramie::test::count_of;
using ramie::test::error_of;
using ramie::test::stderr_of;
namespace this_fiber = ramie::this_fiber;

using fibers = std::vector<ramie::fiber<>>;

ramie::fiber<> sleeper(std::chrono::seconds s) {
    return spawn([s] { this_fiber::sleep_for(s); });
}

ramie::fiber<> failing(std::chrono::seconds s, const std::string& what) {
    return spawn([=] {
        this_fiber::sleep_for(s);
        throw std::runtime_error(what);
    });
}

// Takes no notice of being killed.
ramie::fiber<> stubborn() {
    return spawn([] {
        const ramie::deadline until = 1h;
        while (!until.expired()) {
            try {
                this_fiber::sleep_until(until);
            } catch (const ramie::fiber_exit&) {
            }
        }
    });
}

TEST_F(join_all, waits_for_every_one) {
    const fibers all{sleeper(3s), sleeper(1s), sleeper(2s)};
    EXPECT_TRUE(ramie::join_all(all));
    EXPECT_EQ(clock_.elapsed(), 3s);
    EXPECT_TRUE(ramie::join_all(all));
    EXPECT_TRUE(ramie::join_all(fibers{}));
    EXPECT_TRUE(ramie::join_all(fibers{}, on_error::rethrow));
}

TEST_F(join_all, takes_any_range_of_any_handles) {
    EXPECT_TRUE(ramie::join_all(std::list<ramie::fiber<int>>{spawn([] { return 1; })}));
    const ramie::fiber_base handles[] = {sleeper(1s), spawn([] { return 1; })};
    EXPECT_TRUE(ramie::join_all(handles));
}

TEST_F(join_all, gives_up_at_the_deadline) {
    const fibers all{sleeper(1s), sleeper(1h)};
    EXPECT_FALSE(ramie::join_all(all, 2s));
    EXPECT_FALSE(ramie::join_all(all, on_error::rethrow, 2s));
    EXPECT_EQ(clock_.elapsed(), 4s);
    EXPECT_TRUE(all[0].ready());
    EXPECT_TRUE(ramie::join_all(all));
}

TEST_F(join_all, never_throws_what_the_fibers_threw) {
    const fibers all{failing(1s, "boom"), sleeper(2s)};
    EXPECT_TRUE(ramie::join_all(all));
    EXPECT_EQ(clock_.elapsed(), 2s);
}

// gevent case 13.
TEST_F(join_all, rethrows_the_first_failure_in_time_at_once) {
    const fibers all{sleeper(9s), failing(2s, "second"), failing(1s, "first")};
    EXPECT_EQ(error_of([&] { ramie::join_all(all, on_error::rethrow); }), "first");
    EXPECT_EQ(clock_.elapsed(), 1s);
    // Again, now that it is long past.
    EXPECT_EQ(error_of([&] { ramie::join_all(all, on_error::rethrow); }), "first");
    ramie::join_all(all);
    EXPECT_EQ(error_of([&] { ramie::join_all(all, on_error::rethrow); }), "first");
}

TEST_F(join_all, counts_a_kill_as_success) {
    const fibers all{sleeper(1h), sleeper(1s)};
    this_fiber::yield();
    all[0].try_kill();
    EXPECT_TRUE(ramie::join_all(all, on_error::rethrow));
}

TEST_F(join_all, leaves_the_failures_that_it_did_not_throw_to_be_reported) {
    const std::string report = stderr_of([] {
        const fibers all{failing(1s, "first"), failing(2s, "second")};
        EXPECT_EQ(error_of([&] { ramie::join_all(all, on_error::rethrow); }), "first");
        this_fiber::sleep_for(5s);
    });
    EXPECT_EQ(count_of("first", report), 0);
    EXPECT_EQ(count_of("second", report), 1);
}

TEST_F(join_all, accepts_the_same_fiber_twice) {
    const auto f = sleeper(1s);
    EXPECT_TRUE(ramie::join_all(fibers{f, f}));
    const auto g = sleeper(1s);
    EXPECT_TRUE(ramie::join_all(fibers{g, g}, on_error::rethrow));
    EXPECT_EQ(ramie::wait_some(fibers{g, g}, 2).size(), 2U);
}

TEST_F(kill_all, ends_every_one) {
    const fibers all{sleeper(1h), sleeper(2h)};
    const auto later = ramie::spawn_later(1h, [] {});
    this_fiber::yield();
    ramie::kill_all(all);
    ramie::kill_all(std::vector{later});
    for (const auto& f : all) EXPECT_TRUE(f.ready());
    EXPECT_TRUE(later.ready());
    EXPECT_EQ(clock_.elapsed(), 0s);
    ramie::kill_all(all);
}

TEST_F(kill_all, ends_what_has_not_started_before_anything_else_runs) {
    fibers all;
    // The first would start the others' bodies if it came to run.
    for (int i = 0; i != 3; ++i) all.push_back(spawn([] { ADD_FAILURE() << "it ran"; }));
    auto witness = spawn([&] {
        for (const auto& f : all) EXPECT_TRUE(f.ready());
    });
    all.insert(all.begin(), sleeper(0s));
    ramie::kill_all(all);
    witness.join();
}

TEST_F(kill_all, throws_the_error_it_is_given) {
    const fibers all{sleeper(1h), sleeper(1h)};
    this_fiber::yield();
    ramie::kill_all(all, {}, boom());
    for (const auto& f : all) EXPECT_EQ(error_of([&] { f.get(); }), "boom");
}

// gevent case 12.
TEST_F(kill_all, throws_when_some_live_on) {
    fibers all{stubborn(), stubborn()};
    this_fiber::yield();
    all.push_back(sleeper(1s));
    EXPECT_THROW(ramie::kill_all(all, 10s), ramie::timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 10s);
    EXPECT_FALSE(all[0].ready());
    EXPECT_FALSE(all[1].ready());
    EXPECT_TRUE(all[2].ready());
    ramie::join_all(all);
}

TEST_F(kill_all, may_include_the_caller) {
    bool went_on = false;
    auto f = spawn([&] {
        ramie::kill_all(std::vector<ramie::fiber_base>{sleeper(1h), this_fiber::self()});
        went_on = true;
    });
    EXPECT_TRUE(f.join());
    EXPECT_TRUE(f.successful());
    EXPECT_FALSE(went_on);
    this_fiber::yield();
}

TEST_F(wait_any, names_the_first_in_time) {
    const fibers all{sleeper(3s), sleeper(1s), sleeper(2s)};
    EXPECT_EQ(ramie::wait_any(all), 1U);
    EXPECT_EQ(clock_.elapsed(), 1s);
    ramie::join_all(all);
    EXPECT_EQ(ramie::wait_any(all), 1U);
}

TEST_F(wait_any, names_nothing_at_the_deadline_or_of_nothing) {
    const fibers all{sleeper(1h)};
    EXPECT_EQ(ramie::wait_any(all, 1s), std::nullopt);
    EXPECT_EQ(ramie::wait_any(fibers{}), std::nullopt);
    ramie::kill_all(all);
}

TEST_F(wait_any, leaves_the_failures_of_the_others_to_be_reported) {
    const std::string report = stderr_of([] {
        EXPECT_EQ(ramie::wait_any(fibers{sleeper(1s), failing(2s, "boom")}), 0U);
        this_fiber::sleep_for(5s);
    });
    EXPECT_EQ(count_of("boom", report), 1);
}

TEST_F(wait_some, names_them_in_the_order_of_their_ends) {
    const fibers all{sleeper(4s), sleeper(1s), sleeper(3s), sleeper(2s)};
    EXPECT_EQ(ramie::wait_some(all, 2), (std::vector<std::size_t>{1, 3}));
    EXPECT_EQ(clock_.elapsed(), 2s);
    EXPECT_EQ(ramie::wait_some(all, 0), std::vector<std::size_t>{});
    EXPECT_EQ(ramie::wait_some(all, 4), (std::vector<std::size_t>{1, 3, 2, 0}));
    EXPECT_EQ(ramie::wait_some(all, 9), (std::vector<std::size_t>{1, 3, 2, 0}));
}

TEST_F(wait_some, names_those_that_have_ended_by_the_deadline) {
    const fibers all{sleeper(1h), sleeper(1s)};
    EXPECT_EQ(ramie::wait_some(all, 2, 10s), std::vector<std::size_t>{1});
    EXPECT_EQ(clock_.elapsed(), 10s);
    ramie::kill_all(all);
}

TEST_F(wait_some, can_be_interrupted) {
    const fibers all{sleeper(2s), sleeper(3s)};
    auto waiting = spawn([&] { ramie::wait_some(all, 2); });
    this_fiber::sleep_for(2500ms);
    EXPECT_TRUE(waiting.kill());
    EXPECT_EQ(clock_.elapsed(), 2500ms);
    ramie::join_all(all);
}

}  // namespace
