// The timed waits for locks, semaphores and conditions on fibers, by each clock that libc lets one
// choose. Time is virtual, but libc's clocks are not: an end is that far from the real time at
// which it was asked for.

#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <ostream>
#include <string>
#include <thread>

#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;
using std::chrono::nanoseconds;
namespace this_fiber = ramie::this_fiber;

// What is waited for; nobody has it.
struct things {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t news = PTHREAD_COND_INITIALIZER;
    pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
    sem_t semaphore{};
    mtx_t c11_mutex{};
    cnd_t c11_news{};

    things() {
        must("sem_init", ::sem_init(&semaphore, 0, 0));
        must("mtx_init", ::mtx_init(&c11_mutex, mtx_timed) == thrd_success ? 0 : -1);
        must("cnd_init", ::cnd_init(&c11_news) == thrd_success ? 0 : -1);
    }
    things(const things&) = delete;
    things& operator=(const things&) = delete;
};

// One call, and what makes it wait. The waits give back what they got, and return 0 or the error.
struct timed_wait {
    const char* name;
    int (*wait)(things&, clockid_t, const timespec* end);
    void (*take)(things&);
    void (*give)(things&);
    clockid_t clock = CLOCK_REALTIME;
    bool takes_a_clock = false;
};

int error_of_c11(int result) {
    return result == thrd_success ? 0 : result == thrd_timedout ? ETIMEDOUT : EINVAL;
}

template <class Unlock>
int given_back(int error, Unlock unlock) {
    if (error == 0) unlock();
    return error;
}

int timed_semaphore(things& t, clockid_t, const timespec* end) {
    return ::sem_timedwait(&t.semaphore, end) == 0 ? 0 : errno;
}
int clock_semaphore(things& t, clockid_t clock, const timespec* end) {
    return ::sem_clockwait(&t.semaphore, clock, end) == 0 ? 0 : errno;
}
int timed_mutex(things& t, clockid_t, const timespec* end) {
    return given_back(::pthread_mutex_timedlock(&t.mutex, end),
                      [&] { ::pthread_mutex_unlock(&t.mutex); });
}
int clock_mutex(things& t, clockid_t clock, const timespec* end) {
    return given_back(::pthread_mutex_clocklock(&t.mutex, clock, end),
                      [&] { ::pthread_mutex_unlock(&t.mutex); });
}
int c11_mutex(things& t, clockid_t, const timespec* end) {
    return given_back(error_of_c11(::mtx_timedlock(&t.c11_mutex, end)),
                      [&] { ::mtx_unlock(&t.c11_mutex); });
}
int timed_reader(things& t, clockid_t, const timespec* end) {
    return given_back(::pthread_rwlock_timedrdlock(&t.shared, end),
                      [&] { ::pthread_rwlock_unlock(&t.shared); });
}
int clock_reader(things& t, clockid_t clock, const timespec* end) {
    return given_back(::pthread_rwlock_clockrdlock(&t.shared, clock, end),
                      [&] { ::pthread_rwlock_unlock(&t.shared); });
}
int timed_writer(things& t, clockid_t, const timespec* end) {
    return given_back(::pthread_rwlock_timedwrlock(&t.shared, end),
                      [&] { ::pthread_rwlock_unlock(&t.shared); });
}
int clock_writer(things& t, clockid_t clock, const timespec* end) {
    return given_back(::pthread_rwlock_clockwrlock(&t.shared, clock, end),
                      [&] { ::pthread_rwlock_unlock(&t.shared); });
}
// However it ends, the mutex is held again: it can be given back.
template <class Wait>
int with_the_mutex(things& t, Wait wait) {
    EXPECT_EQ(::pthread_mutex_lock(&t.mutex), 0);
    const int error = wait();
    EXPECT_EQ(::pthread_mutex_trylock(&t.mutex), EBUSY);
    EXPECT_EQ(::pthread_mutex_unlock(&t.mutex), 0);
    return error;
}
int timed_condition(things& t, clockid_t, const timespec* end) {
    return with_the_mutex(t, [&] { return ::pthread_cond_timedwait(&t.news, &t.mutex, end); });
}
int clock_condition(things& t, clockid_t clock, const timespec* end) {
    return with_the_mutex(t,
                          [&] { return ::pthread_cond_clockwait(&t.news, &t.mutex, clock, end); });
}
int c11_condition(things& t, clockid_t, const timespec* end) {
    EXPECT_EQ(::mtx_lock(&t.c11_mutex), thrd_success);
    const int error = error_of_c11(::cnd_timedwait(&t.c11_news, &t.c11_mutex, end));
    EXPECT_EQ(::mtx_trylock(&t.c11_mutex), thrd_busy);
    EXPECT_EQ(::mtx_unlock(&t.c11_mutex), thrd_success);
    return error;
}

void take_nothing(things&) {}
void post(things& t) { ::sem_post(&t.semaphore); }
void lock_mutex(things& t) { ::pthread_mutex_lock(&t.mutex); }
void unlock_mutex(things& t) { ::pthread_mutex_unlock(&t.mutex); }
void lock_c11(things& t) { ::mtx_lock(&t.c11_mutex); }
void unlock_c11(things& t) { ::mtx_unlock(&t.c11_mutex); }
void lock_shared(things& t) { ::pthread_rwlock_wrlock(&t.shared); }
void unlock_shared(things& t) { ::pthread_rwlock_unlock(&t.shared); }
void tell(things& t) { ::pthread_cond_broadcast(&t.news); }
void tell_c11(things& t) { ::cnd_broadcast(&t.c11_news); }

constexpr timed_wait waits[] = {
    {"sem_timedwait", timed_semaphore, take_nothing, post},
    {"sem_clockwait", clock_semaphore, take_nothing, post, CLOCK_REALTIME, true},
    {"sem_clockwait_steady", clock_semaphore, take_nothing, post, CLOCK_MONOTONIC, true},
    {"mutex_timedlock", timed_mutex, lock_mutex, unlock_mutex},
    {"mutex_clocklock", clock_mutex, lock_mutex, unlock_mutex, CLOCK_REALTIME, true},
    {"mutex_clocklock_steady", clock_mutex, lock_mutex, unlock_mutex, CLOCK_MONOTONIC, true},
    {"mtx_timedlock", c11_mutex, lock_c11, unlock_c11},
    {"rwlock_timedrdlock", timed_reader, lock_shared, unlock_shared},
    {"rwlock_clockrdlock", clock_reader, lock_shared, unlock_shared, CLOCK_REALTIME, true},
    {"rwlock_clockrdlock_steady", clock_reader, lock_shared, unlock_shared, CLOCK_MONOTONIC, true},
    {"rwlock_timedwrlock", timed_writer, lock_shared, unlock_shared},
    {"rwlock_clockwrlock", clock_writer, lock_shared, unlock_shared, CLOCK_REALTIME, true},
    {"rwlock_clockwrlock_steady", clock_writer, lock_shared, unlock_shared, CLOCK_MONOTONIC, true},
    {"cond_timedwait", timed_condition, take_nothing, tell},
    {"cond_clockwait", clock_condition, take_nothing, tell, CLOCK_REALTIME, true},
    {"cond_clockwait_steady", clock_condition, take_nothing, tell, CLOCK_MONOTONIC, true},
    {"cnd_timedwait", c11_condition, take_nothing, tell_c11},
};
void PrintTo(const timed_wait& w, std::ostream* out) { *out << w.name; }

nanoseconds time_on(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}
timespec time_at(nanoseconds t) { return {t / 1s, (t % 1s).count()}; }

class a_timed_wait : public patched_test, public ::testing::WithParamInterface<timed_wait> {
  protected:
    // Less than the ten seconds after which a wait looks at the real clock again.
    static constexpr auto limit = 8s;

    int wait_until(nanoseconds end) {
        const timespec at = time_at(end);
        return GetParam().wait(things_, GetParam().clock, &at);
    }
    int wait_for_long() { return wait_until(time_on(GetParam().clock) + limit); }

    // On a thread it is the plain call.
    std::string refusals_by(bool fiber) {
        std::string all;
        const auto ask = [&](clockid_t clock, const timespec& end) {
            all += std::to_string(GetParam().wait(things_, clock, &end)) + ' ';
        };
        const auto ask_all = [&] {
            for (const long ns : {-1L, 1'000'000'000L}) ask(GetParam().clock, {1, ns});
            if (GetParam().takes_a_clock) ask(CLOCK_PROCESS_CPUTIME_ID, {1, 0});
        };
        if (fiber)
            spawn(ask_all).get();
        else
            std::thread(ask_all).join();
        return all;
    }

    ramie::testing::virtual_clock clock_;
    things things_;
};

TEST_P(a_timed_wait, ends_at_its_time_and_others_run_meanwhile) {
    GetParam().take(things_);
    int ticks = 0;
    auto ticker = spawn([&] {
        for (;; ++ticks) this_fiber::sleep_for(1s);
    });
    spawn([&] {
        const auto begin = time_on(GetParam().clock);
        EXPECT_EQ(wait_until(begin + limit), ETIMEDOUT);
        const auto waited = clock_.elapsed();
        EXPECT_LE(waited, limit);
        EXPECT_GE(waited + (time_on(GetParam().clock) - begin), limit);
        EXPECT_EQ(ticks, waited / 1s);
    }).get();
    ticker.kill();
    GetParam().give(things_);
}

TEST_P(a_timed_wait, gets_what_is_given_before_its_time) {
    GetParam().take(things_);
    const auto waiting = spawn([&] { return wait_for_long(); });
    this_fiber::sleep_for(1s);
    EXPECT_FALSE(waiting.ready());
    GetParam().give(things_);
    EXPECT_EQ(waiting.get(), 0);
    EXPECT_EQ(clock_.elapsed(), 1s);
}

TEST_P(a_timed_wait, refuses_what_is_no_time_as_libc_does) {
    GetParam().take(things_);
    const std::string plain = refusals_by(/*fiber=*/false);
    EXPECT_EQ(refusals_by(/*fiber=*/true), plain);
    EXPECT_TRUE(plain.starts_with(std::to_string(EINVAL)));
    GetParam().give(things_);
}

// libc looks at the time before it looks whether it has to wait; for a mutex only at the clock.
TEST_P(a_timed_wait, refuses_it_of_what_is_free_as_libc_does) {
    std::string seen[2];
    for (const bool fiber : {false, true}) {
        if (GetParam().give == post) post(things_);
        seen[fiber ? 1 : 0] = refusals_by(fiber);
        while (::sem_trywait(&things_.semaphore) == 0) continue;
    }
    EXPECT_EQ(seen[1], seen[0]);
}

INSTANTIATE_TEST_SUITE_P(, a_timed_wait, ::testing::ValuesIn(waits),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
