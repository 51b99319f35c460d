// What becomes of those who wait for an object that is destroyed (docs/design.md).

#include <memory>
#include <mutex>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/lock.hpp"
#include "ramie/pool.hpp"
#include "ramie/queue.hpp"
#include "ramie/timeout.hpp"
#include "ramie/timer.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using every_object = ramie::test::virtual_time_test;
using object = ramie::test::virtual_time_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

// Destroys a `T` while a fiber waits for it in `wait`, in each of the ways a wait may stand then.
template <class T, class Wait>
void expect_told(const char* name, std::unique_ptr<T> doomed, Wait wait) {
    SCOPED_TRACE(name);
    auto waiting = spawn([&, &it = *doomed] { EXPECT_THROW(wait(it), std::logic_error); });
    auto killed = spawn([&, &it = *doomed] {
        EXPECT_THROW(wait(it), std::logic_error);
        this_fiber::yield();
        ADD_FAILURE() << "the kill is lost";
    });
    ramie::timeout* limit = nullptr;
    auto late = spawn([&, &it = *doomed] {
        ramie::timeout mine(1s);
        limit = &mine;
        EXPECT_THROW(wait(it), std::logic_error);
    });
    this_fiber::sleep_for(1s);
    killed.try_kill();
    // Its wait was broken, and now was not: it must not come back to what is no more.
    EXPECT_TRUE(limit->expired());
    limit->cancel();
    doomed.reset();
    ramie::join_all(std::vector{waiting, killed, late}, ramie::on_error::rethrow);
}

template <class Queue>
std::unique_ptr<Queue> full_queue() {
    auto q = std::make_unique<Queue>(1);
    q->put(1);
    return q;
}

TEST_F(every_object, that_is_destroyed_tells_who_waits_for_it) {
    expect_told("event", std::make_unique<ramie::event>(), [](auto& e) { e.wait(); });
    expect_told("semaphore", std::make_unique<ramie::semaphore>(0), [](auto& s) { s.acquire(); });
    expect_told("latch", std::make_unique<ramie::latch>(1), [](auto& l) { l.wait(); });
    expect_told("barrier", std::make_unique<ramie::barrier>(9),
                [](auto& b) { b.arrive_and_wait(); });
    expect_told("condition_variable", std::make_unique<ramie::condition_variable>(), [](auto& c) {
        ramie::mutex m;
        std::unique_lock held(m);
        c.wait(held);
    });
    expect_told("queue", std::make_unique<ramie::queue<int>>(), [](auto& q) { q.get(); });
    expect_told("channel, get", std::make_unique<ramie::channel<int>>(), [](auto& c) { c.get(); });
    expect_told("channel, put", std::make_unique<ramie::channel<int>>(), [](auto& c) { c.put(1); });
    expect_told("full queue", full_queue<ramie::queue<int>>(), [](auto& q) { q.put(2); });
    expect_told("joinable_queue", full_queue<ramie::joinable_queue<int>>(),
                [](auto& q) { q.join(); });
    auto read = std::make_unique<ramie::shared_mutex>();
    read->lock_shared();
    expect_told("shared_mutex", std::move(read), [](auto& m) { m.lock(); });
    auto written = std::make_unique<ramie::shared_mutex>();
    written->lock();
    expect_told("shared_mutex, shared", std::move(written), [](auto& m) { m.lock_shared(); });
}

TEST_F(every_object, that_is_destroyed_tells_a_select) {
    const auto do_nothing = [](int) {};
    expect_told("event", std::make_unique<ramie::event>(),
                [](auto& e) { ramie::select(ramie::on_set(e)); });
    expect_told("queue, get", std::make_unique<ramie::queue<int>>(),
                [&](auto& q) { ramie::select(ramie::on_get(q, do_nothing)); });
    expect_told("channel, get", std::make_unique<ramie::channel<int>>(),
                [&](auto& c) { ramie::select(ramie::on_get(c, do_nothing)); });
    expect_told("channel, put", std::make_unique<ramie::channel<int>>(),
                [](auto& c) { ramie::select(ramie::on_put(c, 1)); });
    expect_told("full queue", full_queue<ramie::queue<int>>(),
                [](auto& q) { ramie::select(ramie::on_put(q, 2)); });
}

// What was granted is never taken back, also when another case is destroyed before it runs.
TEST_F(object, that_is_destroyed_leaves_a_select_that_has_won_alone) {
    auto doomed = std::make_unique<ramie::event>();
    ramie::channel<int> c;
    int got = 0;
    auto f = spawn([&] {
        return ramie::select(ramie::on_set(*doomed), ramie::on_get(c, [&](int i) { got = i; }));
    });
    this_fiber::yield();
    c.put(5);
    doomed.reset();
    EXPECT_EQ(f.get(), 1U);
    EXPECT_EQ(got, 5);
}

TEST_F(object, an_event_that_is_destroyed_after_it_was_set_has_been_set) {
    auto e = std::make_unique<ramie::event>();
    auto f = spawn([&] { return e->wait(); });
    this_fiber::yield();
    e->set();
    e.reset();
    EXPECT_TRUE(f.get());
}

TEST_F(object, a_case_of_select_may_be_used_again) {
    ramie::channel<int> c;
    ramie::event other;
    int sum = 0;
    auto get = ramie::on_get(c, [&](int i) { sum += i; });
    auto set = ramie::on_set(other);
    auto putter = spawn([&] {
        this_fiber::yield();
        c.put(1);
        this_fiber::sleep_for(1s);
        other.set();
    });
    EXPECT_EQ(ramie::select(get, set), 0U);
    EXPECT_EQ(ramie::select(get, set), 1U);
    EXPECT_EQ(sum, 1);
    putter.join();
}

TEST_F(object, a_timer_that_is_destroyed_calls_no_more) {
    int calls = 0;
    {
        const ramie::timer once(1s, [&] { ++calls; });
        const ramie::timer often(1s, 1s, [&] { ++calls; });
        this_fiber::sleep_for(500ms);
    }
    this_fiber::sleep_for(5s);
    EXPECT_EQ(calls, 0);
}

TEST_F(object, a_pool_that_is_destroyed_leaves_those_who_wait_for_a_slot_waiting_for_it) {
    auto p = std::make_unique<ramie::pool>(1);
    auto first = p->spawn([] { this_fiber::sleep_for(1s); });
    auto second = p->apply_async([] { this_fiber::sleep_for(1s); });
    this_fiber::yield();
    p.reset();
    second.join();
    EXPECT_EQ(clock_.elapsed(), 2s);
}

// Found: a pulse that was passed over, and is remembered for ever.
TEST_F(object, a_case_that_is_used_again_forgets_what_it_had_passed_over) {
    ramie::event pulse;
    auto set = ramie::on_set(pulse);
    auto f = spawn([&] {
        try {
            ramie::select(set);
            ADD_FAILURE() << "it went on";
        } catch (const ramie::timeout_expired&) {
        }
        return ramie::select(set, 1s).has_value();
    });
    this_fiber::yield();
    f.try_kill(std::make_exception_ptr(ramie::timeout_expired("killed")));
    pulse.set();
    pulse.clear();
    EXPECT_FALSE(f.get());
}

}  // namespace
