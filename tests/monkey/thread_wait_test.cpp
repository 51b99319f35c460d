// Barriers, spin locks, and threads that are joined.

#include <pthread.h>
#include <threads.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <thread>

#include "support/kernel_oracle.hpp"
#include "support/many_fibers.hpp"
#include "support/patched_test.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;

using thread_waits = patched_test;  // with real threads: also run by tsan

class barrier {
  public:
    explicit barrier(unsigned count) { pthread_barrier_init(&barrier_, nullptr, count); }
    ~barrier() { EXPECT_EQ(pthread_barrier_destroy(&barrier_), 0); }
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    int wait() { return pthread_barrier_wait(&barrier_); }

  private:
    pthread_barrier_t barrier_{};
};

TEST_F(thread_waits, fibers_and_threads_meet_at_a_barrier) {
    if (thread_sanitizer) GTEST_SKIP() << "to ThreadSanitizer a barrier is libc's alone";
    constexpr int rounds = 300;
    constexpr int members = 5;
    barrier meeting(members);
    std::atomic<int> serial{0};
    std::atomic<int> arrived{0};
    const auto work = [&] {
        for (int i = 1; i <= rounds; ++i) {
            ++arrived;
            const int result = meeting.wait();
            EXPECT_GE(arrived, i * members);
            if (result == PTHREAD_BARRIER_SERIAL_THREAD)
                ++serial;
            else
                EXPECT_EQ(result, 0);
            EXPECT_TRUE(meeting.wait() <= 0);
        }
    };
    std::thread first(work);
    std::thread second([&] {
        get_all(spawn_many(2, work));
        end_scheduler();
    });
    get_all(spawn_many(2, work));
    second.join();
    first.join();
    EXPECT_EQ(serial, rounds);
}

// libc's would wait for those that have not left, which are fibers of this very thread.
TEST_F(thread_waits, a_barrier_is_destroyed_by_the_first_that_leaves) {
    for (int i = 0; i != 10; ++i) {
        auto* const meeting = new pthread_barrier_t;
        pthread_barrier_init(meeting, nullptr, 3);
        const auto others = spawn_many(2, [=] { pthread_barrier_wait(meeting); });
        pthread_barrier_wait(meeting);
        EXPECT_EQ(pthread_barrier_destroy(meeting), 0);
        delete meeting;
        get_all(others);
    }
}

TEST_F(thread_waits, a_spin_lock_is_held_across_a_sleep) {
    const ramie::testing::virtual_clock clock;
    pthread_spinlock_t lock;
    pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
    int inside = 0;
    get_all(spawn_many(3, [&] {
        EXPECT_EQ(pthread_spin_lock(&lock), 0);
        EXPECT_EQ(++inside, 1);
        ramie::this_fiber::sleep_for(2ms);
        --inside;
        EXPECT_EQ(pthread_spin_unlock(&lock), 0);
    }));
    pthread_spin_destroy(&lock);
}

// A thread that goes on when a fiber says so: it never would if the joining one stopped the loop.
TEST_F(thread_waits, a_thread_is_joined_while_others_run) {
    std::atomic<bool> may_end{false};
    const auto body = [&] {
        while (!may_end) std::this_thread::yield();
    };
    std::thread thread(body);
    auto joiner = spawn([&] { thread.join(); });
    let_others_run();
    EXPECT_FALSE(joiner.ready());
    joiner.kill(ramie::deadline(1ms));  // waits as long as the thread runs
    EXPECT_TRUE(thread.joinable());
    may_end = true;
    joiner.join();
    EXPECT_FALSE(thread.joinable());
}

timespec in_two_milliseconds() {
    timespec then{};
    clock_gettime(CLOCK_MONOTONIC, &then);
    then.tv_nsec += 2'000'000;
    if (then.tv_nsec >= 1'000'000'000) {
        then.tv_nsec -= 1'000'000'000;
        ++then.tv_sec;
    }
    return then;
}

// On threads and on fibers. `may_end` lets the joined one go.
template <class Join>
void join_calls(actor& me, const char* name, Join join) {
    std::atomic<bool> may_end{false};
    pthread_t thread{};
    must("pthread_create", pthread_create(
                               &thread, nullptr,
                               [](void* flag) -> void* {
                                   while (!*static_cast<std::atomic<bool>*>(flag))
                                       std::this_thread::yield();
                                   return flag;
                               },
                               &may_end));
    join(thread, [&] { may_end = true; });
    void* value = nullptr;
    me.call(name, [&] { return pthread_join(thread, &value); });
    me.log(value == &may_end ? "its value" : "no value");
}

TEST(joining, is_what_libc_does) {
    expect_same_as_kernel([](stage& s) {
        s.add("caller", [](actor& me) {
            join_calls(me, "pthread_join", [&](pthread_t thread, auto let_go) {
                const timespec past{1, 0};
                me.call("tryjoin", [=] { return pthread_tryjoin_np(thread, nullptr); });
                me.call("past", [=] { return pthread_timedjoin_np(thread, nullptr, &past); });
                me.call("clock", [=] { return pthread_clockjoin_np(thread, nullptr, 77, &past); });
                me.takes_at_least(1ms, [=, &me] {
                    const timespec soon = in_two_milliseconds();
                    me.call("soon", [=] {
                        return pthread_clockjoin_np(thread, nullptr, CLOCK_MONOTONIC, &soon);
                    });
                });
                let_go();
            });
            me.call("self", [] { return pthread_join(pthread_self(), nullptr); });
            pthread_t detached{};
            std::atomic<bool> may_end{false};
            must("pthread_create", pthread_create(
                                       &detached, nullptr,
                                       [](void* flag) -> void* {
                                           while (!*static_cast<std::atomic<bool>*>(flag))
                                               std::this_thread::yield();
                                           static_cast<std::atomic<bool>*>(flag)->store(false);
                                           return nullptr;
                                       },
                                       &may_end));
            pthread_detach(detached);
            me.call("detached", [=] { return pthread_join(detached, nullptr); });
            may_end = true;
            me.until([&] { return !may_end; });
        });
        s.add("in C11", [](actor& me) {
            thrd_t thread{};
            must("thrd_create", thrd_create(
                                    &thread, [](void*) { return -7; }, nullptr));
            int result = 0;
            me.call("thrd_join", [&] { return thrd_join(thread, &result); });
            me.log(std::to_string(result));
        });
    });
}

}  // namespace
