// The timed waits of the standard library's locks and conditions, and of C11's, on fibers.

#include <threads.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "support/many_fibers.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;
using std::chrono::steady_clock;
using std::chrono::system_clock;

// In real time: the library asks the clocks itself whether the time is over. That others run
// meanwhile is shown where nobody gives up.
class standard_locks : public patched_test {};

// Returns what `wait(d)` did on a fiber, which took that long.
template <class Wait>
auto kept_waiting(std::chrono::milliseconds d, Wait wait) {
    return spawn([=] {
               const auto begin = steady_clock::now();
               const auto result = wait(d);
               EXPECT_GE(steady_clock::now() - begin, d);
               return result;
           })
        .get();
}

TEST_F(standard_locks, a_shared_timed_mutex_gives_up_in_time) {
    std::shared_timed_mutex m;
    m.lock();
    EXPECT_FALSE(kept_waiting(20ms, [&](auto d) { return m.try_lock_for(d); }));
    EXPECT_FALSE(kept_waiting(20ms, [&](auto d) { return m.try_lock_shared_for(d); }));
    const auto until = [](auto d) { return system_clock::now() + d; };
    EXPECT_FALSE(kept_waiting(20ms, [&](auto d) { return m.try_lock_until(until(d)); }));
    EXPECT_FALSE(kept_waiting(20ms, [&](auto d) { return m.try_lock_shared_until(until(d)); }));
    m.unlock();
}

TEST_F(standard_locks, readers_of_a_shared_timed_mutex_keep_a_writer_out) {
    std::shared_timed_mutex m;
    m.lock_shared();
    EXPECT_FALSE(kept_waiting(20ms, [&](auto d) { return m.try_lock_for(d); }));
    EXPECT_TRUE(spawn([&] { return m.try_lock_shared_for(1h); }).get());
    auto writer = spawn([&] { return m.try_lock_for(1h); });
    let_others_run();
    EXPECT_FALSE(writer.ready());
    m.unlock_shared();
    let_others_run();
    EXPECT_FALSE(writer.ready());
    m.unlock_shared();
    EXPECT_TRUE(writer.get());
    m.unlock();
}

TEST_F(standard_locks, a_shared_timed_mutex_is_taken_when_it_is_given_back) {
    std::shared_timed_mutex m;
    m.lock();
    auto readers = spawn_many(3, [&] { EXPECT_TRUE(m.try_lock_shared_for(1h)); });
    let_others_run();
    for (const auto& each : readers) EXPECT_FALSE(each.ready());
    m.unlock();
    get_all(readers);
    for (int i = 0; i != 3; ++i) m.unlock_shared();
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

TEST_F(standard_locks, a_condition_variable_gives_up_in_time) {
    std::mutex m;
    std::condition_variable news;
    const auto waited = [&](auto wait) {
        return kept_waiting(20ms, [&m, wait](auto d) {
            std::unique_lock lock(m);
            const auto result = wait(lock, d);
            EXPECT_FALSE(spawn([&] { return m.try_lock(); }).get());
            return result;
        });
    };
    EXPECT_EQ(waited([&](auto& lock, auto d) { return news.wait_for(lock, d); }),
              std::cv_status::timeout);
    EXPECT_EQ(
        waited([&](auto& lock, auto d) { return news.wait_until(lock, system_clock::now() + d); }),
        std::cv_status::timeout);
    EXPECT_FALSE(
        waited([&](auto& lock, auto d) { return news.wait_for(lock, d, [] { return false; }); }));
}

TEST_F(standard_locks, a_condition_variable_is_heard_before_the_time_is_over) {
    std::mutex m;
    std::condition_variable news;
    bool told = false;
    auto waiting = spawn_many(3, [&] {
        std::unique_lock lock(m);
        EXPECT_TRUE(news.wait_for(lock, 1h, [&] { return told; }));
    });
    let_others_run();
    for (const auto& each : waiting) EXPECT_FALSE(each.ready());
    told = true;
    news.notify_all();
    get_all(waiting);
}

TEST_F(standard_locks, a_broadcast_of_c11_is_heard_by_all) {
    mtx_t m;
    cnd_t c;
    ASSERT_EQ(::mtx_init(&m, mtx_plain), thrd_success);
    ASSERT_EQ(::cnd_init(&c), thrd_success);
    int tickets = 0;
    auto waiting = spawn_many(5, [&] {
        ::mtx_lock(&m);
        while (tickets == 0) ::cnd_wait(&c, &m);
        --tickets;
        ::mtx_unlock(&m);
    });
    let_others_run();
    tickets = 5;
    EXPECT_EQ(::cnd_broadcast(&c), thrd_success);
    get_all(waiting);
    EXPECT_EQ(tickets, 0);
    ::cnd_destroy(&c);
    ::mtx_destroy(&m);
}

}  // namespace
