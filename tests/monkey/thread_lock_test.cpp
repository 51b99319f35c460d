// pthread locks between fibers and threads, and their deadlocks.

#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "parking.hpp"
#include "ramie/errors.hpp"
#include "support/many_fibers.hpp"
#include "support/patched_test.hpp"
#include "support/threads.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;

using thread_locks = patched_test;  // with real threads: also run by tsan

TEST_F(thread_locks, meet_fibers_at_a_mutex) {
    std::mutex m;
    int count = 0;
    constexpr int rounds = 500;
    const auto work = [&] {
        for (int i = 0; i != rounds; ++i) {
            const std::lock_guard guard(m);
            const int seen = count;
            if (i % 16 == 0) std::this_thread::yield();
            count = seen + 1;
        }
    };
    std::thread plain(work);
    std::thread with_fibers([&] {
        get_all(spawn_many(3, work));
        end_scheduler();
    });
    get_all(spawn_many(3, [&] {
        for (int i = 0; i != rounds; ++i) {
            const std::lock_guard guard(m);
            const int seen = count;
            if (i % 16 == 0) ramie::this_fiber::yield();
            count = seen + 1;
        }
    }));
    plain.join();
    with_fibers.join();
    EXPECT_EQ(count, 7 * rounds);
}

TEST_F(thread_locks, tell_a_fiber_that_a_mutex_is_free) {
    std::mutex m;
    std::atomic<int> stage = 0;
    std::thread holder([&] {
        m.lock();
        stage = 1;
        while (stage != 2) std::this_thread::yield();
        m.unlock();
    });
    while (stage != 1) ramie::this_fiber::yield();
    auto waiter = spawn([&] {
        const std::lock_guard guard(m);
        EXPECT_EQ(stage, 2);
    });
    let_others_run();
    EXPECT_FALSE(waiter.ready());
    stage = 2;
    waiter.get();
    holder.join();
}

TEST_F(thread_locks, play_ping_pong_with_a_condition) {
    std::mutex m;
    std::condition_variable turn;
    int ball = 0;
    constexpr int rounds = 1'000;
    const auto play = [&](int side) {
        for (int i = 0; i != rounds; ++i) {
            std::unique_lock lock(m);
            turn.wait(lock, [&] { return ball % 2 == side; });
            ++ball;
            turn.notify_one();
        }
    };
    std::thread other([&] { play(1); });
    spawn([&] { play(0); }).get();
    other.join();
    EXPECT_EQ(ball, 2 * rounds);
}

// libc gives the mutex back inside of the thread's wait, where nobody is told.
TEST_F(thread_locks, leave_a_mutex_to_fibers_while_they_wait_for_a_condition) {
    std::mutex m;
    std::condition_variable news;
    int rounds = 0;
    bool stop = false;
    std::thread waiter([&] {
        std::unique_lock lock(m);
        while (!stop) {
            ++rounds;
            news.wait_for(lock, 10us);
        }
    });
    get_all(spawn_many(4, [&] {
        for (bool done = false; !done; ramie::this_fiber::yield()) {
            const std::lock_guard guard(m);
            done = rounds > 300;
            ramie::this_fiber::yield();
        }
    }));
    {
        const std::lock_guard guard(m);
        stop = true;
    }
    news.notify_one();
    waiter.join();
}

TEST_F(thread_locks, tell_a_parked_fiber_before_they_wait_for_a_condition) {
    std::mutex m;
    std::condition_variable news;
    std::atomic<bool> locked = false;
    bool told = false;
    std::thread waiter([&] {
        std::unique_lock lock(m);
        locked = true;
        while (ramie::monkey::detail::count_parked(m.native_handle()) == 0)
            std::this_thread::yield();
        news.wait(lock, [&] { return told; });
    });
    while (!locked) ramie::this_fiber::yield();
    spawn([&] {
        const std::lock_guard guard(m);
        told = true;
        news.notify_one();
    }).get();
    waiter.join();
}

TEST_F(thread_locks, pass_a_semaphore_to_and_fro) {
    sem_t there;
    sem_t back;
    ::sem_init(&there, 0, 0);
    ::sem_init(&back, 0, 0);
    constexpr int rounds = 1'000;
    std::thread other([&] {
        for (int i = 0; i != rounds; ++i) {
            ASSERT_EQ(::sem_wait(&there), 0);
            ::sem_post(&back);
        }
    });
    spawn([&] {
        for (int i = 0; i != rounds; ++i) {
            ::sem_post(&there);
            ASSERT_EQ(::sem_wait(&back), 0);
        }
    }).get();
    other.join();
}

TEST_F(thread_locks, wait_for_the_initialiser_of_a_fiber) {
    std::once_flag once;
    std::atomic<int> runs = 0;
    std::array<std::atomic<pid_t>, 3> ids{};
    std::vector<std::thread> all;
    const auto waits = [](pid_t id) { return id != 0 && is_in_call(id, {SYS_futex}); };
    auto first = spawn([&] {
        std::call_once(once, [&] {
            while (!std::ranges::all_of(ids, waits)) ramie::this_fiber::yield();
            ++runs;
        });
    });
    let_others_run();
    for (auto& id : ids)
        all.emplace_back([&] {
            id = ::gettid();
            std::call_once(once, [&] { ++runs; });
            EXPECT_EQ(runs, 1);
        });
    first.get();
    for (auto& each : all) each.join();
}

// --- what cannot end -------------------------------------------------------------------------

// Without the watchdog of the others: as long as there are other threads, one may unlock.
class deadlocks : public fiber_test {};

TEST_F(deadlocks, of_two_fibers_and_two_mutexes_are_reported) {
    ramie::monkey::patch_all();
    pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
    const auto lock_both = [](pthread_mutex_t& one, pthread_mutex_t& two) {
        ::pthread_mutex_lock(&one);
        ramie::this_fiber::yield();
        ::pthread_mutex_lock(&two);
        ::pthread_mutex_unlock(&two);
        ::pthread_mutex_unlock(&one);
    };
    auto left = spawn([&] { lock_both(a, b); });
    auto right = spawn([&] { lock_both(b, a); });
    const std::string report = error_of<ramie::deadlock_error>([&] { left.join(); });
    EXPECT_EQ(count_of("waits for a pthread mutex held by fiber ", report), 2) << report;
    // Set them free.
    ::pthread_mutex_unlock(&b);
    left.join();
    right.join();
}

TEST_F(deadlocks, of_the_main_fiber_end_with_an_error) {
    ramie::monkey::patch_all();
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    ::pthread_mutex_lock(&m);
    const std::string report = stderr_of([&] { EXPECT_EQ(::pthread_mutex_lock(&m), EDEADLK); });
    EXPECT_EQ(count_of("the main fiber: parked, waits for a pthread mutex held by the main fiber",
                       report),
              1)
        << report;
    EXPECT_THROW(ramie::this_fiber::yield(), ramie::deadlock_error);
    ::pthread_mutex_unlock(&m);
}

}  // namespace
