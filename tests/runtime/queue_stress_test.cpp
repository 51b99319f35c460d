// Many fibers in random order, some killed, some impatient: every item arrives once.
#include <random>
#include <vector>

#include "ramie/queue.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using every_queue = ramie::test::virtual_time_test;
using ramie::spawn;
namespace this_fiber = ramie::this_fiber;

constexpr unsigned seeds = 200;

// Eight putters of twenty items, eight getters; which of them waited how long, the seed decides.
class exchange {
  public:
    explicit exchange(unsigned seed) : random_(seed) {}

    // `put` and `get` take a deadline and say whether it worked.
    template <class Put, class Get>
    void run(Put put, Get get) {
        std::vector<ramie::fiber<>> putters, getters;
        for (int i = 0; i != 8; ++i) {
            putters.push_back(spawn([&] {
                for (int n = 0; n != 20; ++n) {
                    pause();
                    const int item = next_++;
                    if (put(item, patience())) ++sent_[item];
                }
            }));
            getters.push_back(spawn([&] {
                for (;;) {
                    pause();
                    get(patience());
                }
            }));
        }
        for (int n = 0; n != 4; ++n) {
            for (unsigned k = pick(30); k != 0; --k) this_fiber::yield();
            getters[pick(4)].try_kill();
            putters[pick(4)].try_kill();
        }
        ramie::join_all(putters);
        this_fiber::sleep_for(1s);
        ramie::kill_all(getters);
    }
    void received(int item) { ++received_[item]; }
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

    // A putter that is killed after its item was taken cannot say that it was sent.
    void expect_all_arrived() const {
        for (int i = 0; i != 160; ++i) {
            EXPECT_LE(received_[i], 1);
            EXPECT_LE(sent_[i], received_[i]);
        }
    }

  private:
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
    std::mt19937 random_;
    int next_ = 0;
    int sent_[160] = {};
    int received_[160] = {};
};

template <class Queue>
void exchange_through(Queue& q, unsigned seed, std::size_t bound) {
    exchange e(seed);
    e.run([&](int item, ramie::deadline until) { return q.put(item, until); },
          [&](ramie::deadline until) {
              EXPECT_LE(q.size(), bound);
              try {
                  e.received(q.get(until));
              } catch (const ramie::timeout_expired&) {
              }
          });
    EXPECT_EQ(q.size(), 0U);
    e.expect_all_arrived();
}

TEST_F(every_queue, queue_loses_and_doubles_nothing) {
    for (unsigned seed = 0; seed != seeds; ++seed) {
        const std::size_t bound = 1 + seed % 3;
        ramie::queue<int> fifo(bound);
        exchange_through(fifo, seed, bound);
        ramie::priority_queue<int> sorted(bound);
        exchange_through(sorted, seed, bound);
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

TEST_F(every_queue, channel_loses_and_doubles_nothing) {
    for (unsigned seed = 0; seed != seeds; ++seed) {
        ramie::channel<int> c;
        exchange e(seed);
        e.run([&](int item, ramie::deadline until) { return c.put(item, until); },
              [&](ramie::deadline until) {
                  try {
                      e.received(c.get(until));
                  } catch (const ramie::timeout_expired&) {
                  }
              });
        e.expect_all_arrived();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

TEST_F(every_queue, select_loses_and_doubles_nothing) {
    for (unsigned seed = 0; seed != seeds; ++seed) {
        ramie::queue<int> a(1);
        ramie::channel<int> b;
        ramie::event never;
        exchange e(seed);
        const auto take = [&](int item) { e.received(item); };
        e.run(
            [&](int item, ramie::deadline until) {
                return ramie::select(ramie::on_put(a, item), ramie::on_put(b, item),
                                     ramie::on_set(never), until)
                    .has_value();
            },
            [&](ramie::deadline until) {
                ramie::select(ramie::on_get(a, take), ramie::on_get(b, take), until);
            });
        EXPECT_EQ(a.size(), 0U);
        e.expect_all_arrived();
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
    }
}

}  // namespace
