// Many fibers in random order: whatever they do, each lock keeps its promise.
#include "ramie/lock.hpp"

#include <algorithm>
#include <functional>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <vector>

#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using every_lock = ramie::test::virtual_time_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

constexpr unsigned seeds = 200;

// Sixteen fibers that run `step` twenty times each, with waits between, some of them killed.
class crowd {
  public:
    explicit crowd(unsigned seed) : random(seed) {}

    void run(const std::function<void(crowd&)>& step) {
        std::vector<ramie::fiber<>> fibers;
        for (int i = 0; i != 16; ++i)
            fibers.push_back(spawn([&] {
                for (int n = 0; n != 20; ++n) {
                    pause();
                    step(*this);
                }
            }));
        for (int n = 0; n != 6; ++n) {
            for (unsigned k = pick(20); k != 0; --k) this_fiber::yield();
            fibers[pick(16)].try_kill();
        }
        ramie::join_all(fibers);
    }
    unsigned pick(unsigned below) { return static_cast<unsigned>(random() % below); }
    void pause() {
        if (pick(4) == 0)
            this_fiber::sleep_for(std::chrono::milliseconds(pick(3)));
        else
            for (unsigned k = pick(3); k != 0; --k) this_fiber::yield();
    }
    ramie::deadline patience() {
        return pick(3) == 0 ? ramie::deadline(std::chrono::milliseconds(pick(3)))
                            : ramie::deadline::never();
    }
    std::mt19937 random;
};

// Counts who is inside, also when they are killed there.
struct inside {
    explicit inside(int& n) : count(n) { ++count; }
    ~inside() { --count; }
    int& count;
};

TEST_F(every_lock, mutex_excludes) {
    for (unsigned seed = 0; seed != seeds; ++seed) {
        ramie::mutex m;
        int holders = 0;
        crowd(seed).run([&](crowd& c) {
            if (!m.lock(c.patience())) return;
            const std::lock_guard held(m, std::adopt_lock);
            const inside here(holders);
            c.pause();
            EXPECT_EQ(holders, 1);
        });
        ASSERT_FALSE(m.is_locked()) << "seed " << seed;
    }
}

TEST_F(every_lock, semaphore_bounds) {
    for (unsigned seed = 0; seed != seeds; ++seed) {
        ramie::bounded_semaphore s(3);
        int holders = 0;
        crowd(seed).run([&](crowd& c) {
            if (!s.acquire(c.patience())) return;
            const std::lock_guard held(s, std::adopt_lock);
            const inside here(holders);
            c.pause();
            EXPECT_LE(holders, 3);
        });
        ASSERT_EQ(s.permits(), 3U) << "seed " << seed;
    }
}

TEST_F(every_lock, shared_mutex_excludes_writers) {
    for (unsigned seed = 0; seed != seeds; ++seed) {
        ramie::shared_mutex m;
        int readers = 0, writers = 0;
        crowd(seed).run([&](crowd& c) {
            if (c.pick(3) != 0) {
                if (!m.lock_shared(c.patience())) return;
                const std::shared_lock held(m, std::adopt_lock);
                const inside here(readers);
                c.pause();
                EXPECT_EQ(writers, 0);
            } else {
                if (!m.lock(c.patience())) return;
                const std::lock_guard held(m, std::adopt_lock);
                const inside here(writers);
                c.pause();
                EXPECT_EQ(writers, 1);
                EXPECT_EQ(readers, 0);
            }
        });
        ASSERT_EQ(m.readers(), 0U) << "seed " << seed;
        ASSERT_TRUE(m.try_lock()) << "seed " << seed;
        m.unlock();
    }
}

TEST_F(every_lock, condition_variable_loses_no_notification) {
    for (unsigned seed = 0; seed != seeds; ++seed) {
        ramie::mutex m;
        ramie::condition_variable c;
        int tokens = 0, taken = 0;
        crowd everyone(seed);
        auto giver = spawn([&] {
            for (int i = 0; i != 400; ++i) {
                everyone.pause();
                const std::lock_guard held(m);
                ++tokens;
                c.notify_one();
            }
        });
        everyone.run([&](crowd&) {
            std::unique_lock held(m);
            c.wait(held, [&] { return tokens != 0; });
            --tokens;
            ++taken;
        });
        giver.join();
        ASSERT_EQ(tokens + taken, 400) << "seed " << seed;
    }
}

}  // namespace
