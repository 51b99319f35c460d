#include "ramie/select.hpp"

#include <array>
#include <optional>
#include <vector>

#include "ramie/queue.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using select_ = ramie::test::virtual_time_test;
using ramie::on_get;
using ramie::on_put;
using ramie::on_set;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

TEST_F(select_, makes_the_one_happen_that_can) {
    ramie::queue<int> a, b(1);
    ramie::channel<int> c;
    ramie::event e;
    int got = 0;
    const auto keep = [&](int i) { got = i; };
    a.put(1);
    b.put(2);
    EXPECT_EQ(ramie::select(on_get(a, keep), on_put(b, 3), on_get(c, keep), on_set(e), 1s), 0U);
    EXPECT_EQ(got, 1);
    EXPECT_EQ(b.get(), 2);
    EXPECT_EQ(ramie::select(on_get(a, keep), on_put(b, 3), on_get(c, keep), on_set(e)), 1U);
    EXPECT_EQ(b.get(), 3);
    b.put(4);
    auto putter = spawn([&] { c.put(5); });
    EXPECT_EQ(ramie::select(on_get(a, keep), on_put(b, 3), on_get(c, keep), on_set(e)), 2U);
    EXPECT_EQ(got, 5);
    e.set();
    EXPECT_EQ(ramie::select(on_get(a, keep), on_put(b, 3), on_get(c, keep), on_set(e)), 3U);
    putter.join();
    EXPECT_EQ(b.size(), 1U);
}

TEST_F(select_, waits_for_the_first_and_leaves_no_trace_in_the_others) {
    ramie::queue<int> a, full(1);
    ramie::channel<int> in, out;
    ramie::event e;
    full.put(0);
    std::vector<int> got;
    const auto keep = [&](int i) { got.push_back(i); };
    auto waiting = spawn([&] {
        for (int i = 0; i != 5; ++i)
            ramie::select(on_get(a, keep), on_put(full, 1), on_get(in, keep), on_put(out, 2),
                          on_set(e, [&] { got.push_back(-1); }));
    });
    this_fiber::yield();
    a.put(10);
    this_fiber::yield();
    EXPECT_TRUE(in.try_put(20));
    this_fiber::yield();
    EXPECT_EQ(out.try_get(), 2);
    this_fiber::yield();
    EXPECT_EQ(full.get(), 0);
    this_fiber::yield();
    e.set();
    waiting.join();
    EXPECT_EQ(full.get(), 1);
    EXPECT_TRUE(full.empty());
    EXPECT_EQ(got, (std::vector<int>{10, 20, -1}));
    EXPECT_FALSE(in.try_put(1));
    EXPECT_EQ(out.try_get(), std::nullopt);
    a.put(1);
    EXPECT_EQ(a.try_get(), 1) << "promised to one that is gone";
}

// Both happen before the fiber runs: the first counts, the other item stays for others.
TEST_F(select_, takes_one_of_two_that_come_together) {
    ramie::queue<int> a, b;
    int got = 0;
    auto waiting = spawn([&] {
        const auto keep = [&](int i) { got += i; };
        return ramie::select(on_get(a, keep), on_get(b, keep));
    });
    this_fiber::yield();
    b.put(1);
    a.put(10);
    EXPECT_EQ(a.try_get(), 10);
    EXPECT_EQ(waiting.get(), 1U);
    EXPECT_EQ(got, 1);
}

TEST_F(select_, gives_up_at_the_deadline) {
    ramie::queue<int> a;
    EXPECT_EQ(ramie::select(on_get(a, [](int) {}), 1s), std::nullopt);
    EXPECT_EQ(ramie::select(on_get(a, [](int) {}), 0s), std::nullopt);
    EXPECT_EQ(ramie::select(5s), std::nullopt);
    EXPECT_EQ(clock_.elapsed(), 6s);
    a.put(1);
    EXPECT_EQ(a.try_get(), 1);
}

TEST_F(select_, is_fair_among_those_that_can_happen) {
    ramie::queue<int> a, b, c;
    std::array<int, 3> count{};
    const auto nothing = [](int) {};
    for (int i = 0; i != 3000; ++i) {
        for (auto* q : {&a, &b, &c})
            if (q->empty()) q->put(1);
        ++count[*ramie::select(on_get(a, nothing), on_get(b, nothing), on_get(c, nothing))];
    }
    for (const int n : count) EXPECT_NEAR(n, 1000, 150);
}

TEST_F(select_, meets_another_select) {
    ramie::channel<int> c, other;
    int got = 0;
    auto left = spawn([&] { return ramie::select(on_put(c, 7), on_put(other, 8)); });
    auto right = spawn([&] {
        return ramie::select(on_get(c, [&](int i) { got = i; }),
                             on_get(other, [&](int i) { got = i; }));
    });
    EXPECT_EQ(left.get(), right.get());
    EXPECT_TRUE(got == 7 || got == 8);
    EXPECT_EQ(ramie::select(on_put(c, 1), on_get(c, [](int) {}), 1s), std::nullopt)
        << "it met itself";
}

TEST_F(select_, loses_no_item_when_it_is_killed) {
    ramie::queue<int> a;
    ramie::channel<int> c;
    auto killed = spawn([&] { ramie::select(on_get(a, [](int) {}), on_get(c, [](int) {})); });
    this_fiber::yield();
    killed.try_kill();
    EXPECT_FALSE(c.try_put(2));
    a.put(1);
    killed.join();
    EXPECT_EQ(a.try_get(), 1);
}

TEST_F(select_, tells_that_a_case_was_shut_down) {
    ramie::queue<int> a;
    ramie::channel<int> c;
    auto waiting = spawn([&] {
        EXPECT_THROW(ramie::select(on_get(a, [](int) {}), on_get(c, [](int) {})),
                     ramie::queue_shutdown);
        EXPECT_THROW(ramie::select(on_get(c, [](int) {}), on_put(c, 1)), ramie::queue_shutdown);
    });
    this_fiber::yield();
    a.shutdown();
    this_fiber::yield();
    c.shutdown();
    waiting.join();
}

TEST_F(select_, looks_again_when_the_timeout_that_broke_it_was_cancelled) {
    ramie::queue<int> a;
    std::optional<ramie::timeout> limit;
    auto putter = spawn([&] {
        this_fiber::sleep_for(1s);
        EXPECT_TRUE(limit->expired());
        a.put(1);
        limit->cancel();
    });
    auto waiting = spawn([&] {
        limit.emplace(1s);
        return ramie::select(on_get(a, [](int i) { EXPECT_EQ(i, 1); }));
    });
    EXPECT_EQ(waiting.get(), 0U);
    putter.join();
}

TEST_F(select_, hears_an_event_that_was_set_and_cleared_when_a_timeout_broke_it) {
    ramie::event pulse;
    std::optional<ramie::timeout> limit;
    auto setter = spawn([&] {
        this_fiber::sleep_for(1s);
        EXPECT_TRUE(limit->expired());
        pulse.set();
        pulse.clear();
        limit->cancel();
    });
    auto waiting = spawn([&] {
        limit.emplace(1s);
        return ramie::select(on_set(pulse), 1h);
    });
    EXPECT_EQ(waiting.get(), 0U);
    setter.join();
}

TEST_F(select_, is_told_when_what_it_waits_for_is_destroyed) {
    std::optional<ramie::queue<int>> a(std::in_place);
    ramie::channel<int> b;
    auto waiting = spawn([&] {
        EXPECT_THROW(ramie::select(on_get(*a, [](int) {}), on_get(b, [](int) {})),
                     std::logic_error);
    });
    this_fiber::yield();
    a.reset();
    waiting.join();
}

}  // namespace
