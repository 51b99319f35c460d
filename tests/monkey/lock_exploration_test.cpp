// pthread locks between fibers under every small schedule and many random ones.

#include <pthread.h>
#include <semaphore.h>

#include <memory>
#include <string>
#include <vector>

#include "ramie/testing.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;
using ramie::testing::explore;
using ramie::testing::explore_all;
using ramie::testing::preempt;
using ramie::testing::require;

class explored_pthread_locks : public ramie::test::fiber_test {
  protected:
    explored_pthread_locks() { ramie::monkey::patch_all(); }
};

constexpr std::uint64_t seeds = 2000;

// One for each run, or its seed would not repeat it.
class random_pause {
  public:
    void operator()() {
        switch (random_->below(3)) {
            case 0:
                return ramie::this_fiber::yield();
            case 1:
                return ramie::this_fiber::sleep_for(1ms);
            default:
                return preempt();
        }
    }

  private:
    using random = ramie::testing::seeded_random;
    std::shared_ptr<random> random_ = std::make_shared<random>(ramie::testing::seed());
};

void get_all(const std::vector<ramie::fiber<>>& all) {
    for (const auto& each : all) each.get();
}

// One at a time, in order of arrival, also when one gives up or is killed.
// Found: no count_parked() in lock_on_fiber(): who comes meanwhile goes first.
template <class Pause>
void share_a_mutex(int fibers, Pause pause) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    int inside = 0;
    std::string came;
    std::string served;
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != fibers; ++i)
        all.push_back(spawn([&, name = static_cast<char>('a' + i)] {
            pause();
            came += name;
            ::pthread_mutex_lock(&m);
            served += name;
            require(++inside == 1, "one is inside");
            pause();
            --inside;
            ::pthread_mutex_unlock(&m);
        }));
    auto hasty = spawn([&] {
        timespec soon{};
        ::clock_gettime(CLOCK_REALTIME, &soon);
        if (::pthread_mutex_timedlock(&m, &soon) == 0) ::pthread_mutex_unlock(&m);
    });
    get_all(all);
    hasty.get();
    require(came == served, "those that came first are served first");
    require(::pthread_mutex_trylock(&m) == 0, "it is given back");
    ::pthread_mutex_unlock(&m);
}

TEST_F(explored_pthread_locks, let_one_in_under_many_seeds) {
    explore(seeds, [] { share_a_mutex(4, random_pause()); });
}

TEST_F(explored_pthread_locks, let_one_in_under_every_schedule) {
    EXPECT_GT(explore_all([] { share_a_mutex(2, preempt); }), 20U);
}

// Every item that is put is taken, however puts and waits meet.
// Found: the waiter queued after unlock_on_fiber() in wait_on_fiber(), with a pause between them.
template <class Pause>
void hand_over(int takers, Pause pause) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t news = PTHREAD_COND_INITIALIZER;
    int items = 0;
    int taken = 0;
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != takers; ++i)
        all.push_back(spawn([&] {
            pause();
            ::pthread_mutex_lock(&m);
            while (items == 0) ::pthread_cond_wait(&news, &m);
            --items;
            ++taken;
            ::pthread_mutex_unlock(&m);
        }));
    for (int i = 0; i != takers; ++i) {
        pause();
        ::pthread_mutex_lock(&m);
        ++items;
        ::pthread_cond_signal(&news);
        pause();
        ::pthread_mutex_unlock(&m);
    }
    get_all(all);
    require(taken == takers && items == 0, "each item is taken once");
}

TEST_F(explored_pthread_locks, lose_no_signal_under_many_seeds) {
    explore(seeds, [] { hand_over(4, random_pause()); });
}

TEST_F(explored_pthread_locks, lose_no_signal_under_every_schedule) {
    EXPECT_GT(explore_all([] { hand_over(2, preempt); }), 20U);
}

// Posts are neither lost nor doubled when waits are killed.
// Found: no pass_on() in sem_wait's wait_parked().
template <class Pause>
void count_posts(Pause pause) {
    sem_t s;
    ::sem_init(&s, 0, 0);
    int taken = 0;
    const auto take = [&] {
        pause();
        if (::sem_wait(&s) == 0) ++taken;
    };
    std::vector<ramie::fiber<>> all;
    for (int i = 0; i != 3; ++i) all.push_back(spawn(take));
    auto victim = spawn(take);
    pause();
    victim.try_kill();
    for (int i = 0; i != 4; ++i) {
        pause();
        ::sem_post(&s);
    }
    get_all(all);
    victim.join();
    int left = 0;
    ::sem_getvalue(&s, &left);
    require(taken + left == 4, "each post counts once");
}

TEST_F(explored_pthread_locks, count_every_post_under_many_seeds) {
    explore(seeds, [] { count_posts(random_pause()); });
}

}  // namespace
