// What waits by syscall(SYS_futex): the C++ library's own primitives, between fibers and threads.

#include <linux/futex.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <barrier>
#include <cerrno>
#include <climits>
#include <ctime>
#include <future>
#include <latch>
#include <semaphore>
#include <thread>

#include "ramie/errors.hpp"
#include "support/kernel_oracle.hpp"
#include "support/many_fibers.hpp"
#include "support/patched_test.hpp"
#include "support/sanitizers.hpp"
#include "support/threads.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;

using futexes = patched_test;  // with real threads: also run by tsan

TEST_F(futexes, an_atomic_is_waited_for) {
    std::atomic<int> word{0};
    std::atomic<std::uint64_t> wide{0};  // by way of a word of the library's
    auto waiter = spawn([&] {
        word.wait(0);
        wide.wait(0);
        return word.load();
    });
    let_others_run();
    word = 3;
    let_others_run();
    EXPECT_FALSE(waiter.ready());
    word.notify_one();
    let_others_run();
    wide = 1;
    wide.notify_all();
    EXPECT_EQ(waiter.get(), 3);
}

long ask(const void* word, int operation, unsigned value, const void* time = nullptr,
         unsigned bits = 0) {
    return ::syscall(SYS_futex, word, operation, value, time, nullptr, bits);
}

TEST_F(futexes, as_many_are_woken_as_was_asked_for) {
    alignas(4) const unsigned word = 0;
    int woken = 0;
    const auto all = spawn_many(4, [&] {
        EXPECT_EQ(ask(&word, FUTEX_WAIT_PRIVATE, 0), 0);
        ++woken;
    });
    let_others_run();
    EXPECT_EQ(ask(&word, FUTEX_WAKE_PRIVATE, 1), 1);
    let_others_run();
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(ask(&word, FUTEX_WAKE_PRIVATE, INT_MAX), 3);
    get_all(all);
    EXPECT_EQ(woken, 4);
    EXPECT_EQ(ask(&word, FUTEX_WAKE_PRIVATE, 1), 0);
}

TEST_F(futexes, a_latch_a_barrier_and_a_semaphore_hold_fibers) {
    std::latch all_here(3);
    std::barrier in_step(3);
    std::counting_semaphore<3> two(2);
    int inside = 0;
    get_all(spawn_many(3, [&] {
        all_here.arrive_and_wait();
        for (int i = 0; i != 10; ++i) in_step.arrive_and_wait();
        two.acquire();
        EXPECT_LE(++inside, 2);
        ramie::this_fiber::yield();
        --inside;
        two.release();
    }));
    EXPECT_TRUE(two.try_acquire());
    EXPECT_TRUE(two.try_acquire());
    EXPECT_FALSE(two.try_acquire_for(1ms));
}

TEST_F(futexes, a_future_comes_from_a_fiber_and_from_a_thread) {
    for (const bool from_thread : {false, true}) {
        std::promise<int> promise;
        std::future<int> future = promise.get_future();
        EXPECT_EQ(future.wait_for(1ms), std::future_status::timeout);
        auto waiter = spawn([&] { return future.get(); });
        let_others_run();
        EXPECT_FALSE(waiter.ready());
        const auto keep = [&] { promise.set_value(7); };
        if (from_thread)
            std::thread(keep).join();
        else
            keep();
        EXPECT_EQ(waiter.get(), 7);
    }
}

int first_asked_for() {
    static const int value = [] {
        ramie::this_fiber::sleep_for(1ms);
        return 5;
    }();
    return value;
}

TEST_F(futexes, a_static_variable_is_initialised_once) {
    if (thread_sanitizer) GTEST_SKIP() << "ThreadSanitizer brings its own __cxa_guard_acquire";
    __libc_single_threaded = 1;  // as it is unless the program has made a thread
    get_all(spawn_many(3, [] { EXPECT_EQ(first_asked_for(), 5); }));
}

// Each waits for the other's word: no wake-up may get lost between the kernel's queue and ours.
TEST_F(futexes, a_thread_and_a_fiber_wake_each_other) {
    constexpr int rounds = 2'000;
    std::atomic<int> turn{0};
    const auto play = [&](int own) {
        for (int i = 0; i != rounds; ++i) {
            turn.wait(1 - own);
            turn = 1 - own;
            turn.notify_one();
        }
    };
    std::thread thread([&] { play(1); });
    auto fiber = spawn([&] { play(0); });
    fiber.get();
    thread.join();
    EXPECT_EQ(turn, 0);
}

TEST_F(futexes, threads_and_fibers_are_woken_by_number) {
    std::atomic<int> word{0};
    std::atomic<int> woken{0};
    const auto wait = [&] {
        while (word == 0) word.wait(0);
        ++woken;
    };
    std::atomic<pid_t> id{0};
    std::thread thread([&] {
        id = ::gettid();
        wait();
    });
    const auto fibers = spawn_many(3, wait);
    let_others_run();
    while (id == 0 || !is_in_call(id, {SYS_futex})) std::this_thread::yield();
    word = 1;
    word.notify_all();
    get_all(fibers);
    thread.join();
    EXPECT_EQ(woken, 4);
}

TEST_F(futexes, a_killed_fiber_waits_on) {
    std::atomic<int> word{0};
    auto victim = spawn([&] {
        word.wait(0);
        EXPECT_EQ(word, 1);
        ramie::this_fiber::yield();
        ADD_FAILURE() << "it was not killed";
    });
    let_others_run();
    victim.kill(ramie::deadline(1ms));
    EXPECT_FALSE(victim.ready());
    word = 1;
    word.notify_one();
    victim.join();
}

// Without the private flag it may be that of another process, which tells nobody here.
TEST_F(futexes, another_process_changes_a_shared_word) {
    alignas(4) static std::uint32_t word = 5;
    auto waiter =
        spawn([] { return ::syscall(SYS_futex, &word, FUTEX_WAIT, 5, nullptr, nullptr, 0); });
    let_others_run();
    __atomic_store_n(&word, 6U, __ATOMIC_SEQ_CST);
    EXPECT_EQ(waiter.get(), 0);
}

TEST(a_futex, is_answered_as_by_the_kernel) {
    expect_same_as_kernel([](stage& s) {
        s.add("caller", [](actor& me) {
            alignas(4) std::array<unsigned, 2> words{3, 3};
            const unsigned* const word = words.data();
            const timespec soon{0, 2'000'000};
            const timespec none{0, 0};
            const timespec past{1, 0};
            const timespec invalid{0, 1'000'000'000};
            const timespec negative{-1, 0};
            const auto call = [&](const char* name, auto... arguments) {
                me.call(name, [=] { return ask(arguments...); });
            };
            for (const int is_private : {0, FUTEX_PRIVATE_FLAG}) {
                const int wait = FUTEX_WAIT | is_private;
                const int wait_until = FUTEX_WAIT_BITSET | is_private;
                const unsigned any = FUTEX_BITSET_MATCH_ANY;
                call("another value", word, wait, 4U);
                call("misaligned", reinterpret_cast<const char*>(word) + 1, wait, 4U);
                call("not mapped", bad_pointer<unsigned>(), wait, 3U);
                me.takes_at_least(2ms, [&] { call("time", word, wait, 3U, &soon); });
                call("no time", word, wait, 3U, &none);
                call("invalid time", word, wait, 3U, &invalid);
                call("negative time", word, wait, 3U, &negative);
                call("time not mapped", word, wait, 3U, bad_pointer<timespec>());
                call("past", word, wait_until, 3U, &past, any);
                call("past", word, wait_until | FUTEX_CLOCK_REALTIME, 3U, &past, any);
                call("another value", word, wait_until, 4U, &past, any);
                call("no bits", word, wait_until, 3U, &past, 0U);
                call("other bits", word, wait_until, 3U, &past, 2U);
                call("nobody", word, FUTEX_WAKE | is_private, 1U);
                call("nobody", word, FUTEX_WAKE_BITSET | is_private, 1U, &past, any);
                call("unknown", word, 77 | is_private, 1U);
            }
        });
        s.add("other", [](actor& me) {
            me.call("getpid", [] { return ::syscall(SYS_getpid) == ::getpid(); });
            me.call("pread64", [] {
                char byte = 0;
                return ::syscall(SYS_pread64, -1, &byte, 1L, 0L);
            });
            me.call("unknown", [] { return ::syscall(100'000); });
        });
    });
}

}  // namespace
