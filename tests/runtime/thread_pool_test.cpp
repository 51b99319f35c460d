#include "ramie/thread_pool.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
// A thread that has answered may still hold what leads back to the scheduler.
class offload : public ramie::test::fiber_test {
  protected:
    void TearDown() override {
        while (ramie::default_thread_pool().busy() != 0) ramie::this_fiber::sleep_for(1ms);
        fiber_test::TearDown();
    }
};
using thread_pool = ramie::test::fiber_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

// Work that stands still until it is told to go on.
class gate {
  public:
    auto work() {
        return [opened = go_on_, begun = begun_] {
            ++*begun;
            opened.wait();
        };
    }
    void open() { opened_.set_value(); }
    void await_begun(int n) const {
        while (*begun_ < n) this_fiber::sleep_for(1ms);
    }
    [[nodiscard]] int begun() const { return *begun_; }

  private:
    std::promise<void> opened_;
    std::shared_future<void> go_on_ = opened_.get_future().share();
    std::shared_ptr<std::atomic<int>> begun_ = std::make_shared<std::atomic<int>>(0);
};

TEST_F(offload, runs_elsewhere_while_the_loop_goes_on) {
    gate g;
    int turns = 0;
    auto other = spawn([&] {
        g.await_begun(1);
        for (; turns != 100; ++turns) this_fiber::yield();
        g.open();
    });
    const auto here = std::this_thread::get_id();
    EXPECT_NE(ramie::offload([work = g.work()] {
                  work();
                  return std::this_thread::get_id();
              }),
              here);
    EXPECT_EQ(turns, 100);
    other.join();
}

TEST_F(offload, returns_and_throws) {
    EXPECT_EQ(ramie::offload([] { return 42; }), 42);
    ramie::offload([] {});
    EXPECT_EQ(ramie::test::error_of([] { ramie::offload([] { throw std::runtime_error("no"); }); }),
              "no");
    auto movable = std::make_unique<int>(7);
    EXPECT_EQ(ramie::offload([p = std::move(movable)] { return *p; }), 7);
}

TEST_F(offload, serves_the_fibers_of_several_threads) {
    std::vector<std::thread> threads;
    std::atomic<int> sum = 0;
    ramie::thread_pool p(1, 3);
    for (int t = 0; t != 4; ++t)
        threads.emplace_back([&] {
            ramie::run([&] {
                std::vector<ramie::fiber<>> fibers;
                for (int i = 0; i != 50; ++i)
                    fibers.push_back(spawn([&, i] { sum += p.run([i] { return i; }); }));
                ramie::join_all(fibers);
            });
        });
    for (auto& each : threads) each.join();
    EXPECT_EQ(sum, 4 * 50 * 49 / 2);
    EXPECT_LE(p.threads(), 3U);
}

TEST_F(offload, goes_on_when_the_fiber_that_waits_is_killed_or_times_out) {
    ramie::thread_pool p(0, 2);
    gate g;
    auto finished = std::make_shared<std::atomic<int>>(0);
    const auto work = [run = g.work(), finished] {
        run();
        ++*finished;
        return 1;
    };
    auto killed = spawn([&] { p.run(work); });
    ramie::timeout* limit = nullptr;
    auto late = spawn([&] {
        ramie::timeout here(ramie::deadline::never());
        limit = &here;
        EXPECT_THROW(p.run(work), ramie::timeout_expired);
    });
    g.await_begun(2);  // what has not begun would be dropped
    limit->restart(1ms);
    killed.kill();
    late.join();
    EXPECT_EQ(*finished, 0);
    g.open();
    while (*finished != 2) this_fiber::sleep_for(1ms);
}

TEST_F(thread_pool, never_begins_what_nobody_waits_for_any_more) {
    ramie::thread_pool p(0, 1);
    gate g;
    bool ran = false;
    auto first = spawn([&] { p.run(g.work()); });
    auto killed = spawn([&] { p.run([&ran] { ran = true; }); });
    g.await_begun(1);
    EXPECT_EQ(p.waiting(), 1U);
    killed.kill();
    g.open();
    first.join();
    p.run([] {});
    EXPECT_FALSE(ran);
}

TEST_F(thread_pool, keeps_its_bounds) {
    ramie::thread_pool p(0, 2, 3);
    gate g;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 10; ++i) fibers.push_back(spawn([&] { p.run(g.work()); }));
    g.await_begun(2);
    while (p.waiting() != 3) this_fiber::sleep_for(1ms);
    EXPECT_EQ(p.threads(), 2U);
    EXPECT_EQ(p.waiting(), 3U);
    EXPECT_EQ(g.begun(), 2);
    g.open();
    ramie::join_all(fibers);
    EXPECT_EQ(g.begun(), 10);
    EXPECT_THROW(ramie::thread_pool(2, 1), std::invalid_argument);
    EXPECT_THROW(ramie::thread_pool(0, 0), std::invalid_argument);
    EXPECT_THROW(ramie::thread_pool(0, 1, 0), std::invalid_argument);
}

// A killed fiber that was told of room passes that on.
TEST_F(thread_pool, gives_the_room_of_one_that_was_killed_to_the_next) {
    ramie::thread_pool p(0, 1, 1);
    gate g;
    auto running = spawn([&] { p.run(g.work()); });
    g.await_begun(1);
    auto queued = spawn([&] { p.run([] {}); });
    auto killed = spawn([&] { p.run([] {}); });
    auto next = spawn([&] { p.run([] {}); });
    ramie::test::let_others_run();
    killed.kill();
    g.open();
    ramie::join_all(std::vector<ramie::fiber_base>{running, queued, next});
    EXPECT_TRUE(next.successful());
}

TEST_F(thread_pool, that_is_destroyed_tells_who_waits_for_work_that_never_began) {
    auto p = std::make_unique<ramie::thread_pool>(0, 1, 1);
    gate g;
    auto first = spawn([&, &pool = *p] { pool.run(g.work()); });
    g.await_begun(1);
    const auto late = [&pool = *p] { EXPECT_THROW(pool.run([] {}), std::logic_error); };
    auto second = spawn(late);
    auto without_room = spawn(late);
    ramie::test::let_others_run();
    std::thread opener([&, &pool = *p] {
        while (pool.waiting() != 0) std::this_thread::yield();
        g.open();
    });
    p.reset();  // drops the second, then waits for the first
    opener.join();
    first.join();
    second.join();
    without_room.join();
}

TEST_F(thread_pool, takes_work_in_order_beyond_its_bound_too) {
    ramie::thread_pool p(0, 1, 2);
    gate g;
    std::vector<int> order;  // of the one thread; read when it is done
    auto first = spawn([&] { p.run(g.work()); });
    g.await_begun(1);
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 8; ++i)
        fibers.push_back(spawn([&, i] { p.run([&order, i] { order.push_back(i); }); }));
    ramie::test::let_others_run();
    g.open();
    // Comes when there is room again, and does not pass those who wait for it.
    while (p.waiting() == 2 && !fibers[2].ready()) this_fiber::yield();
    p.run([&order] { order.push_back(8); });
    ramie::join_all(fibers);
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(thread_pool, retires_threads_that_are_idle) {
    ramie::thread_pool p(1, 4, ramie::thread_pool::unlimited, 1ms);
    gate g;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 4; ++i) fibers.push_back(spawn([&] { p.run(g.work()); }));
    g.await_begun(4);
    EXPECT_EQ(p.threads(), 4U);
    g.open();
    ramie::join_all(fibers);
    while (p.threads() != 1) this_fiber::sleep_for(1ms);
    // The last one stays, and there are more again when they are wanted.
    this_fiber::sleep_for(10ms);
    EXPECT_EQ(p.threads(), 1U);
    gate again;
    fibers.clear();
    for (int i = 0; i != 3; ++i) fibers.push_back(spawn([&] { p.run(again.work()); }));
    again.await_begun(3);
    EXPECT_GE(p.threads(), 3U);
    again.open();
    ramie::join_all(fibers);
}

// Found: to wait for a free thread on the only one.
TEST_F(thread_pool, does_what_its_own_work_asks_for_on_the_same_thread) {
    ramie::thread_pool p(0, 1, 1);
    EXPECT_EQ(p.run([&p] { return p.run([&p] { return p.run([] { return 1; }) + 1; }) + 1; }), 3);
    EXPECT_EQ(ramie::test::error_of(
                  [&p] { p.run([&p] { p.run([] { throw std::runtime_error("inner"); }); }); }),
              "inner");
    // There is room for one more piece of work, and nobody else to make more.
    auto count = std::make_shared<std::atomic<int>>(0);
    p.run([&p, count] {
        for (int i = 0; i != 3; ++i) p.submit([count] { ++*count; });
    });
    p.run([] {});
    EXPECT_EQ(*count, 3);
}

TEST_F(offload, may_offload) {
    const auto inner = [] { return std::this_thread::get_id(); };
    EXPECT_TRUE(ramie::offload([inner] { return ramie::offload(inner) == inner(); }));
}

TEST_F(thread_pool, returns_what_can_only_be_moved) {
    ramie::thread_pool p(0, 1);
    EXPECT_EQ(*p.run([] { return std::make_unique<int>(7); }), 7);
    EXPECT_EQ(*ramie::offload([] { return std::make_unique<int>(8); }), 8);
    ramie::async_result<std::unique_ptr<int>> later;
    later.set(std::make_unique<int>(9));
    EXPECT_EQ(*later.take(), 9);
    while (ramie::default_thread_pool().busy() != 0) this_fiber::sleep_for(1ms);
}

// It has no fiber to end.
TEST_F(thread_pool, cancels_work_that_throws_the_end_of_a_fiber) {
    ramie::thread_pool p(0, 1);
    EXPECT_THROW(p.run([] { throw ramie::fiber_exit{}; }), ramie::future_cancelled);
    EXPECT_THROW(p.run([] { throw ramie::system_exit{3}; }), ramie::system_exit);
}

}  // namespace
