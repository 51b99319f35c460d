// What runs when a fiber has ended.

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramie/fiber.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using link = ramie::test::virtual_time_test;
using ramie::fiber_base;
using ramie::spawn;
using ramie::test::count_of;
using ramie::test::let_others_run;
using ramie::test::stderr_of;
namespace this_fiber = ramie::this_fiber;

using journal = std::vector<std::string>;

auto note(journal& notes, const std::string& text) {
    return [&notes, text](const fiber_base&) { notes.push_back(text); };
}

TEST_F(link, is_called_after_the_end_in_order) {
    journal notes;
    auto f = spawn([] { this_fiber::sleep_for(1s); });
    for (const char* name : {"a", "b", "c"}) f.link(note(notes, name));
    let_others_run();
    EXPECT_EQ(notes, journal{});
    f.join();
    EXPECT_EQ(notes, journal{});
    let_others_run();
    EXPECT_EQ(notes, (journal{"a", "b", "c"}));
}

TEST_F(link, gets_the_fiber_that_ended) {
    auto f = spawn([] { return 5; });
    bool called = false;
    f.link([&](const fiber_base& ended) {
        called = true;
        EXPECT_EQ(ended, f);
        EXPECT_TRUE(ended.ready());
        EXPECT_TRUE(ended.successful());
    });
    let_others_run();
    EXPECT_TRUE(called);
}

TEST_F(link, is_called_when_the_end_was_long_ago) {
    journal notes;
    auto f = spawn([] {});
    f.join();
    let_others_run();
    f.link(note(notes, "late"));
    EXPECT_EQ(notes, journal{});
    let_others_run();
    EXPECT_EQ(notes, journal{"late"});
    f.link(note(notes, "later"));
    let_others_run();
    EXPECT_EQ(notes, (journal{"late", "later"}));
}

TEST_F(link, is_called_whatever_the_fiber_ended_with) {
    journal notes;
    auto failed = spawn([] { throw std::runtime_error("boom"); });
    failed.link([&](const fiber_base& f) { notes.push_back(f.successful() ? "?" : "failed"); });
    auto killed = spawn([] {});
    killed.link([&](const fiber_base& f) { notes.push_back(f.successful() ? "killed" : "?"); });
    auto late = ramie::spawn_later(1h, [] {});
    late.link(note(notes, "cancelled"));
    killed.try_kill();
    late.try_kill();
    failed.join();
    let_others_run();
    EXPECT_EQ(notes.size(), 3U);
    EXPECT_EQ(std::set<std::string>(notes.begin(), notes.end()),
              (std::set<std::string>{"cancelled", "failed", "killed"}));
}

TEST_F(link, needs_no_handle) {
    journal notes;
    spawn([] {}).link(note(notes, "called"));
    let_others_run();
    EXPECT_EQ(notes, journal{"called"});
}

TEST_F(link, runs_in_a_fiber_of_its_own_and_may_wait) {
    journal notes;
    auto f = spawn({.name = "worker"}, [] {});
    std::string link_name;
    f.link([&](const fiber_base&) {
        link_name = this_fiber::name();
        this_fiber::sleep_for(1s);
        notes.push_back("slow");
    });
    f.link(note(notes, "quick"));
    this_fiber::sleep_for(2s);
    EXPECT_EQ(notes, (journal{"quick", "slow"}));
    EXPECT_NE(link_name.find("worker"), std::string::npos);
}

TEST_F(link, that_throws_is_reported_and_stops_no_other) {
    journal notes;
    const std::string report = stderr_of([&] {
        auto f = spawn({.name = "worker"}, [] {});
        f.link([](const fiber_base&) { throw std::runtime_error("thrown by a link"); });
        f.link(note(notes, "second"));
        let_others_run();
    });
    EXPECT_EQ(notes, journal{"second"});
    EXPECT_EQ(count_of("thrown by a link", report), 1);
    EXPECT_EQ(count_of("worker", report), 1);
}

TEST_F(link, can_be_taken_back) {
    journal notes;
    auto f = spawn([] {});
    const auto first = f.link(note(notes, "first"));
    f.link(note(notes, "second"));
    f.unlink(first);
    f.unlink(first);
    f.unlink(12345);
    let_others_run();
    EXPECT_EQ(notes, journal{"second"});
    f.unlink(first);
}

// gevent case 14.
TEST_F(link, may_take_back_a_later_one_and_then_throw) {
    journal notes;
    const std::string report = stderr_of([&] {
        auto f = spawn([] {});
        ramie::link_id b = 0;
        f.link([&](const fiber_base& ended) {
            ended.unlink(b);
            throw std::runtime_error("thrown by a");
        });
        b = f.link(note(notes, "b"));
        f.link(note(notes, "c"));
        let_others_run();
    });
    EXPECT_EQ(notes, journal{"c"});
    EXPECT_EQ(count_of("thrown by a", report), 1);
}

TEST_F(link, may_add_another) {
    journal notes;
    auto f = spawn([] {});
    f.link([&](const fiber_base& ended) {
        notes.push_back("first");
        ended.link(note(notes, "third"));
    });
    f.link(note(notes, "second"));
    let_others_run();
    EXPECT_EQ(notes, (journal{"first", "second", "third"}));
}

TEST_F(link, refuses_an_empty_function) {
    auto f = spawn([] {});
    EXPECT_THROW(f.link(nullptr), std::invalid_argument);
    f.join();
}

TEST_F(link, of_a_fiber_that_ends_with_run_is_called) {
    journal notes;
    ramie::test::end_scheduler();
    ramie::run([&] {
        auto f = spawn([] { this_fiber::sleep_for(1h); });
        for (const char* name : {"a", "b", "c"}) f.link(note(notes, name));
        this_fiber::yield();
    });
    EXPECT_EQ(notes, (journal{"a", "b", "c"}));
}

// However far main has let the links come.
TEST_F(link, that_is_about_to_start_at_the_end_of_run_is_called) {
    ramie::test::end_scheduler();
    for (int yields = 0; yields != 6; ++yields) {
        journal notes;
        ramie::run([&] {
            auto f = spawn([] {});
            for (const char* name : {"a", "b", "c"}) f.link(note(notes, name));
            for (int i = 0; i != yields; ++i) this_fiber::yield();
        });
        EXPECT_EQ(notes, (journal{"a", "b", "c"})) << yields;
    }
}

TEST_F(link, of_a_fiber_that_never_ran_is_called_at_the_end_of_run) {
    journal notes;
    ramie::test::end_scheduler();
    ramie::run([&] {
        spawn([] { ADD_FAILURE() << "it ran"; }).link(note(notes, "ready"));
        ramie::spawn_later(1h, [] { ADD_FAILURE() << "it ran"; }).link(note(notes, "later"));
    });
    EXPECT_EQ(notes, (journal{"ready", "later"}));
}

TEST_F(link, that_waits_at_the_end_of_run_is_unwound) {
    journal notes;
    ramie::test::end_scheduler();
    ramie::run([&] {
        spawn([] {}).link([&](const fiber_base&) {
            const ramie::test::at_exit unwind([&] { notes.push_back("unwound"); });
            notes.push_back("started");
            this_fiber::sleep_for(1h);
        });
    });
    EXPECT_EQ(notes, (journal{"started", "unwound"}));
}

TEST_F(link, is_refused_by_the_main_fiber) {
    EXPECT_THROW(this_fiber::self().link([](const fiber_base&) {}), std::logic_error);
}

}  // namespace
