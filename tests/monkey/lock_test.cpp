// pthread mutexes, conditions, semaphores, read-write locks and initialisers between fibers.

#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "ramie/timeout.hpp"
#include "support/many_fibers.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;
using std::chrono::steady_clock;

using locks = patched_test;

timespec from_now(clockid_t clock, std::chrono::nanoseconds d) {
    timespec t{};
    ::clock_gettime(clock, &t);
    const auto ns = t.tv_nsec + d.count();
    return {t.tv_sec + ns / 1'000'000'000, ns % 1'000'000'000};
}

pthread_mutex_t plain_mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t recursive_mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
pthread_mutex_t checking_mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
pthread_mutex_t adaptive_mutex = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

TEST_F(locks, a_mutex_of_any_kind_lets_one_fiber_in_at_a_time) {
    for (pthread_mutex_t* const m :
         {&plain_mutex, &recursive_mutex, &checking_mutex, &adaptive_mutex}) {
        int inside = 0;
        std::string order;
        std::vector<ramie::fiber<>> all;
        for (char name = 'a'; name != 'f'; ++name)
            all.push_back(spawn([&, name] {
                EXPECT_EQ(::pthread_mutex_lock(m), 0);
                EXPECT_EQ(++inside, 1);
                order += name;
                let_others_run();
                --inside;
                EXPECT_EQ(::pthread_mutex_unlock(m), 0);
            }));
        get_all(all);
        EXPECT_EQ(order, "abcde");
    }
}

TEST_F(locks, a_guard_may_be_held_across_a_sleep) {
    const ramie::testing::virtual_clock clock;
    std::mutex m;
    int ticks = 0;
    auto ticker = spawn([&] {
        for (;;) {
            ramie::this_fiber::sleep_for(1ms);
            ++ticks;
        }
    });
    get_all(spawn_many(3, [&] {
        const std::lock_guard guard(m);
        ::usleep(10'000);
    }));
    ticker.kill();
    EXPECT_GE(ticks, 29);
}

TEST_F(locks, who_comes_later_stands_behind) {
    std::mutex m;
    std::string order;
    m.lock();
    auto first = spawn([&] {
        const std::lock_guard guard(m);
        order += '1';
    });
    let_others_run();
    m.unlock();
    // The one that waited is awake, but did not run yet.
    m.lock();
    order += '2';
    m.unlock();
    first.get();
    EXPECT_EQ(order, "12");
}

TEST_F(locks, a_recursive_mutex_is_entered_again_by_its_fiber_only) {
    std::recursive_mutex m;
    m.lock();
    m.lock();
    EXPECT_TRUE(m.try_lock());
    auto other = spawn([&] {
        EXPECT_FALSE(m.try_lock());
        EXPECT_EQ(::pthread_mutex_unlock(m.native_handle()), EPERM);
        m.lock();
        m.unlock();
    });
    for (int i = 0; i != 3; ++i) {
        let_others_run();
        EXPECT_FALSE(other.ready());
        m.unlock();
    }
    other.get();
}

TEST_F(locks, an_errorcheck_mutex_tells_fibers_apart) {
    ASSERT_EQ(::pthread_mutex_lock(&checking_mutex), 0);
    EXPECT_EQ(::pthread_mutex_lock(&checking_mutex), EDEADLK);
    auto other = spawn([] {
        EXPECT_EQ(::pthread_mutex_unlock(&checking_mutex), EPERM);
        EXPECT_EQ(::pthread_mutex_lock(&checking_mutex), 0);
        EXPECT_EQ(::pthread_mutex_unlock(&checking_mutex), 0);
        EXPECT_EQ(::pthread_mutex_unlock(&checking_mutex), EPERM);
    });
    let_others_run();
    EXPECT_FALSE(other.ready());
    EXPECT_EQ(::pthread_mutex_unlock(&checking_mutex), 0);
    other.get();
}

TEST_F(locks, a_timed_lock_gives_up_at_its_time_by_either_clock) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    ASSERT_EQ(::pthread_mutex_lock(&m), 0);
    spawn([&] {
        for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
            const auto begin = steady_clock::now();
            const timespec end = from_now(clock, 20ms);
            EXPECT_EQ(::pthread_mutex_clocklock(&m, clock, &end), ETIMEDOUT);
            EXPECT_GE(steady_clock::now() - begin, 20ms);
        }
        const timespec past{1, 0};
        EXPECT_EQ(::pthread_mutex_timedlock(&m, &past), ETIMEDOUT);
        const timespec invalid{1, -1};
        EXPECT_EQ(::pthread_mutex_timedlock(&m, &invalid), EINVAL);
    }).get();
    EXPECT_EQ(::pthread_mutex_unlock(&m), 0);
    const timespec past{1, 0};
    EXPECT_EQ(::pthread_mutex_timedlock(&m, &past), 0);
    EXPECT_EQ(::pthread_mutex_unlock(&m), 0);
}

TEST_F(locks, who_gives_up_leaves_the_turn_to_the_next) {
    std::timed_mutex m;
    m.lock();
    auto hasty = spawn([&] { return m.try_lock_for(5ms); });
    auto patient = spawn([&] {
        m.lock();
        m.unlock();
    });
    let_others_run();
    EXPECT_FALSE(hasty.get());
    m.unlock();
    patient.get();
}

TEST_F(locks, a_kill_waits_until_the_mutex_is_taken) {
    std::mutex m;
    m.lock();
    bool inside = false;
    auto victim = spawn([&] {
        const std::lock_guard guard(m);
        inside = true;
        ramie::this_fiber::sleep_for(1h);
        FAIL() << "the kill is lost";
    });
    let_others_run();
    victim.try_kill();
    let_others_run();
    EXPECT_FALSE(victim.ready());
    m.unlock();
    victim.join();
    EXPECT_TRUE(inside);
    EXPECT_TRUE(m.try_lock());
    m.unlock();
}

TEST_F(locks, ten_thousand_fibers_share_a_mutex) {
    std::mutex m;
    int count = 0;
    const auto all = spawn_many(10'000, [&] {
        const std::lock_guard guard(m);
        const int seen = count;
        ramie::this_fiber::yield();
        count = seen + 1;
    });
    get_all(all);
    EXPECT_EQ(count, 10'000);
}

TEST_F(locks, a_condition_wakes_fibers_one_by_one_or_all) {
    std::mutex m;
    std::condition_variable news;
    int tickets = 0;
    int served = 0;
    const auto all = spawn_many(5, [&] {
        std::unique_lock lock(m);
        news.wait(lock, [&] { return tickets > 0; });
        --tickets;
        ++served;
    });
    let_others_run();
    for (const int more : {1, 1, 3}) {
        const int before = served;
        {
            const std::lock_guard guard(m);
            tickets += more;
        }
        more == 1 ? news.notify_one() : news.notify_all();
        let_others_run();
        EXPECT_EQ(served, before + more);
    }
    get_all(all);
}

TEST_F(locks, a_timed_wait_for_a_condition_ends_by_either_clock) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
        pthread_condattr_t attributes;
        ::pthread_condattr_init(&attributes);
        ASSERT_EQ(::pthread_condattr_setclock(&attributes, clock), 0);
        pthread_cond_t c;
        ::pthread_cond_init(&c, &attributes);
        ASSERT_EQ(::pthread_mutex_lock(&m), 0);
        const auto begin = steady_clock::now();
        const timespec end = from_now(clock, 20ms);
        EXPECT_EQ(::pthread_cond_timedwait(&c, &m, &end), ETIMEDOUT);
        EXPECT_GE(steady_clock::now() - begin, 20ms);
        EXPECT_EQ(::pthread_mutex_trylock(&m), EBUSY);
        EXPECT_EQ(::pthread_mutex_unlock(&m), 0);
        ::pthread_cond_destroy(&c);
    }
}

TEST_F(locks, a_timeout_scope_ends_a_wait_for_a_semaphore) {
    sem_t s;
    ::sem_init(&s, 0, 0);
    {
        const ramie::timeout limit(5ms);
        EXPECT_EQ(::sem_wait(&s), -1);
        EXPECT_EQ(errno, ETIMEDOUT);
    }
    auto victim = spawn([&] {
        EXPECT_EQ(::sem_wait(&s), -1);
        EXPECT_EQ(errno, ECANCELED);
    });
    let_others_run();
    victim.kill();
    ::sem_post(&s);
    EXPECT_EQ(::sem_wait(&s), 0);
    const timespec end = from_now(CLOCK_REALTIME, 5ms);
    EXPECT_EQ(::sem_timedwait(&s, &end), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
}

TEST_F(locks, a_semaphore_serves_fibers_in_order) {
    sem_t s;
    ::sem_init(&s, 0, 0);
    std::string order;
    std::vector<ramie::fiber<>> all;
    for (char name = 'a'; name != 'f'; ++name)
        all.push_back(spawn([&, name] {
            ASSERT_EQ(::sem_wait(&s), 0);
            order += name;
        }));
    let_others_run();
    for (int i = 0; i != 5; ++i) ::sem_post(&s);
    get_all(all);
    EXPECT_EQ(order, "abcde");
}

sem_t posted_by_handler;

TEST_F(locks, a_signal_handler_posts_to_a_fiber) {
    ::sem_init(&posted_by_handler, 0, 0);
    struct sigaction action {};
    action.sa_handler = [](int) { ::sem_post(&posted_by_handler); };
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    int got = 0;
    auto waiter = spawn([&] {
        for (; got != 100; ++got) ASSERT_EQ(::sem_wait(&posted_by_handler), 0);
    });
    while (got != 100) {
        ::raise(SIGUSR1);
        ramie::this_fiber::yield();
    }
    waiter.get();
}

TEST_F(locks, readers_share_and_writers_do_not) {
    std::shared_mutex m;
    int readers = 0;
    int most = 0;
    bool writing = false;
    auto all = spawn_many(5, [&] {
        const std::shared_lock lock(m);
        EXPECT_FALSE(writing);
        most = std::max(most, ++readers);
        let_others_run();
        --readers;
    });
    for (auto& each : spawn_many(3, [&] {
             const std::lock_guard guard(m);
             EXPECT_EQ(readers, 0);
             EXPECT_FALSE(std::exchange(writing, true));
             let_others_run();
             writing = false;
         }))
        all.push_back(each);
    get_all(all);
    EXPECT_EQ(most, 5);
}

TEST_F(locks, all_readers_follow_a_writer) {
    std::shared_mutex m;
    m.lock();
    int readers = 0;
    const auto all = spawn_many(5, [&] {
        const std::shared_lock lock(m);
        ++readers;
        while (readers != 5) ramie::this_fiber::yield();
    });
    let_others_run();
    m.unlock();
    get_all(all);
}

TEST_F(locks, an_initialiser_that_parks_runs_once) {
    std::once_flag once;
    int runs = 0;
    get_all(spawn_many(3, [&] {
        std::call_once(once, [&] {
            let_others_run();
            ++runs;
        });
        EXPECT_EQ(runs, 1);
    }));
}

TEST_F(locks, an_initialiser_that_throws_is_run_by_the_next) {
    std::once_flag once;
    int runs = 0;
    auto first = spawn([&] {
        EXPECT_THROW(std::call_once(once,
                                    [&] {
                                        ++runs;
                                        let_others_run();
                                        throw std::runtime_error("no");
                                    }),
                     std::runtime_error);
    });
    auto second = spawn([&] { std::call_once(once, [&] { runs += 10; }); });
    std::once_flag another;
    spawn([&] { std::call_once(another, [] { let_others_run(); }); }).get();
    first.get();
    second.get();
    EXPECT_EQ(runs, 11);
}

TEST_F(locks, those_of_c11_are_the_same) {
    mtx_t m;
    cnd_t c;
    ASSERT_EQ(::mtx_init(&m, mtx_timed), thrd_success);
    ASSERT_EQ(::cnd_init(&c), thrd_success);
    bool told = false;
    auto waiter = spawn([&] {
        ::mtx_lock(&m);
        while (!told) ::cnd_wait(&c, &m);
        ::mtx_unlock(&m);
    });
    let_others_run();
    ASSERT_EQ(::mtx_lock(&m), thrd_success);
    auto other = spawn([&] { EXPECT_EQ(::mtx_trylock(&m), thrd_busy); });
    other.get();
    told = true;
    ::cnd_signal(&c);
    ::mtx_unlock(&m);
    waiter.get();
}

}  // namespace
