// The end of run(): what is left is killed, unwound, waited for.

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;
using ramie::test::at_exit;
using ramie::test::count_of;
using ramie::test::stderr_of;
namespace this_fiber = ramie::this_fiber;

// Each test is a run() of its own.
class shutdown : public ramie::test::virtual_time_test {
  protected:
    template <class F>
    std::chrono::nanoseconds time_to_shut_down(F main, ramie::run_options options = {}) {
        const auto start = clock_.elapsed();
        ramie::run(main, options);
        return last_seen_ - start;
    }
    // The clock ends with the scheduler: whoever unwinds tells the time.
    void look_at_the_clock() { last_seen_ = clock_.elapsed(); }

  private:
    std::chrono::nanoseconds last_seen_{};
};

TEST_F(shutdown, gives_back_the_stack_of_a_fiber_killed_before_its_turn) {
    const auto stacks_in_use = [] {
        this_fiber::yield();
        return ramie::stats().stacks_in_use;
    };
    const auto before = stacks_in_use();
    ramie::run([] { spawn([] {}).try_kill(); });
    EXPECT_EQ(stacks_in_use(), before);
}

TEST_F(shutdown, waits_for_destructors_that_suspend) {
    std::string order;
    const auto lasted = time_to_shut_down([&] {
        for (const char name : {'a', 'b'})
            spawn([&, name] {
                const at_exit slow([&, name] {
                    this_fiber::sleep_for(2s);
                    order += name;
                    look_at_the_clock();
                });
                this_fiber::sleep_for(1h);
            });
        this_fiber::yield();
    });
    EXPECT_EQ(order, "ab");
    EXPECT_EQ(lasted, 2s);
}

TEST_F(shutdown, lets_one_fiber_wait_for_another) {
    std::string order;
    ramie::run([&] {
        auto worker = spawn([&] {
            try {
                this_fiber::sleep_for(1h);
            } catch (const ramie::fiber_exit&) {
                this_fiber::sleep_for(1s);
                order += "worker ";
            }
        });
        spawn([&, worker] {
            const at_exit join([&] {
                worker.join();
                order += "owner";
            });
            this_fiber::sleep_for(1h);
        });
        this_fiber::yield();
    });
    EXPECT_EQ(order, "worker owner");
}

TEST_F(shutdown, lists_and_drops_a_fiber_that_swallows_kills) {
    bool ended = false;
    ramie::fiber<> stubborn;
    const std::string report = stderr_of([&] {
        ramie::run(
            [&] {
                stubborn = spawn({.name = "stubborn"}, [&] {
                    const at_exit note([&] { ended = true; });
                    for (;;) {
                        try {
                            this_fiber::sleep_for(1s);
                        } catch (const ramie::fiber_exit&) {
                        }
                        look_at_the_clock();
                    }
                });
                this_fiber::yield();
            },
            {.shutdown_grace = 5s});
    });
    EXPECT_EQ(count_of("shutdown_grace", report), 1) << report;
    EXPECT_EQ(count_of("\"stubborn\"", report), 1) << report;
    EXPECT_FALSE(ended);
    EXPECT_FALSE(stubborn.ready());
}

TEST_F(shutdown, takes_no_longer_than_the_grace) {
    stderr_of([&] {
        const auto lasted = time_to_shut_down(
            [&] {
                spawn([&] {
                    for (;;) {
                        look_at_the_clock();
                        try {
                            this_fiber::sleep_for(1s);
                        } catch (const ramie::fiber_exit&) {
                        }
                    }
                });
                this_fiber::yield();
            },
            {.shutdown_grace = 5s});
        EXPECT_GE(lasted, 4s);
        EXPECT_LE(lasted, 5s);
    });
}

TEST_F(shutdown, drops_fibers_that_wait_for_ever_at_once) {
    ramie::event never;
    const std::string report = stderr_of([&] {
        ramie::run([&] {
            spawn({.name = "hanging"}, [&] {
                const at_exit hang([&] { never.wait(); });
                throw std::runtime_error("boom");
            });
            this_fiber::yield();
        });
    });
    EXPECT_EQ(count_of("\"hanging\"", report), 1) << report;
    EXPECT_EQ(count_of("an event", report), 1) << report;
}

// A dropped fiber is never resumed, whatever happens to what it waited for.
TEST_F(shutdown, never_resumes_a_fiber_that_it_dropped) {
    ramie::event news;
    ramie::fiber<> dropped;
    stderr_of([&] {
        ramie::run([&] {
            dropped = spawn([&] {
                for (;;) {
                    try {
                        news.wait();
                    } catch (const ramie::fiber_exit&) {
                        continue;
                    }
                    ADD_FAILURE() << "it was resumed";
                }
            });
            this_fiber::yield();
        });
    });
    ramie::run([&] {
        news.set();
        this_fiber::yield();
        EXPECT_FALSE(dropped.ready());
        EXPECT_THROW(dropped.kill(), std::logic_error);
        EXPECT_THROW(dropped.try_kill(), std::logic_error);
        EXPECT_THROW(dropped.join(), std::logic_error);
        this_fiber::yield();
    });
}

TEST_F(shutdown, lets_a_fiber_that_starts_now_run_to_its_first_suspension) {
    std::string order;
    ramie::run([&] {
        spawn([&] {
            const at_exit clean_up([&] {
                auto helper = spawn([&] {
                    order += "started ";
                    const at_exit note([&] { order += "unwound "; });
                    this_fiber::sleep_for(1h);
                    order += "went on ";
                });
                helper.join();
                order += "joined";
            });
            this_fiber::sleep_for(1h);
        });
        this_fiber::yield();
    });
    EXPECT_EQ(order, "started unwound joined");
}

TEST_F(shutdown, does_not_wait_for_what_would_start_later) {
    const auto lasted = time_to_shut_down([&] {
        spawn([&] {
            const at_exit clean_up([&] {
                ramie::spawn_later(5s, [] { ADD_FAILURE() << "it ran"; });
                look_at_the_clock();
            });
            this_fiber::sleep_for(1h);
        });
        this_fiber::yield();
    });
    EXPECT_EQ(lasted, 0s);
}

TEST_F(shutdown, is_not_cut_short_by_main_s_own_interrupts) {
    bool cleaned = false;
    EXPECT_EQ(ramie::run([&] {
                  spawn([&] {
                      const at_exit slow([&] {
                          this_fiber::sleep_for(1s);
                          cleaned = true;
                      });
                      this_fiber::sleep_for(1h);
                  });
                  spawn([main = this_fiber::self()] { main.try_kill(); });
                  spawn([] { throw ramie::system_exit{3}; });
                  this_fiber::sleep_for(1h);
              }),
              3);
    EXPECT_TRUE(cleaned);
}

TEST_F(shutdown, is_the_same_when_it_begins_in_a_fiber_s_timeout) {
    std::string order;
    ramie::run([&] {
        spawn([&] {
            const at_exit slow([&] {
                this_fiber::sleep_for(3s);
                order += "unwound";
            });
            const ramie::timeout limit(1s);
            this_fiber::sleep_for(1h);
        });
        this_fiber::yield();
    });
    EXPECT_EQ(order, "unwound");
}

TEST_F(shutdown, reports_no_fiber_that_was_killed) {
    EXPECT_EQ(stderr_of([] {
                  ramie::run([] {
                      for (int i = 0; i != 10; ++i) spawn([] { this_fiber::sleep_for(1h); });
                      this_fiber::yield();
                      spawn([] {});
                  });
              }),
              "");
}

TEST_F(shutdown, ends_a_thousand_fibers) {
    int ended = 0;
    ramie::run([&] {
        for (int i = 0; i != 1000; ++i)
            spawn([&] {
                const at_exit note([&] { ++ended; });
                this_fiber::sleep_for(1h);
            });
        this_fiber::yield();
    });
    EXPECT_EQ(ended, 1000);
}

// A callable that is destroyed by `f`.
template <class F>
auto callable_that_ends_with(F f) {
    return
        [last = std::shared_ptr<void>(nullptr, [f](void*) { f(); })] { ADD_FAILURE() << "it ran"; };
}

TEST_F(shutdown, drops_a_fiber_that_never_ran_and_whose_callable_waits_for_ever) {
    ramie::event never;
    const std::string report = stderr_of([&] {
        ramie::run(
            [&] { spawn({.name = "unborn"}, callable_that_ends_with([&] { never.wait(); })); });
    });
    EXPECT_EQ(count_of("shutdown_grace", report), 1) << report;
    EXPECT_EQ(count_of("\"unborn\": parked, waits for an event", report), 1) << report;
}

TEST_F(shutdown, waits_no_longer_than_the_grace_for_the_callable_of_a_fiber_that_never_ran) {
    const auto dawdle = [this] {
        for (;;) {
            look_at_the_clock();
            this_fiber::sleep_for(1s);
        }
    };
    const std::string report = stderr_of([&] {
        const auto lasted = time_to_shut_down(
            [&] {
                spawn(callable_that_ends_with(dawdle));
                ramie::spawn_later(1h, callable_that_ends_with(dawdle));
            },
            {.shutdown_grace = 5s});
        EXPECT_GE(lasted, 4s);
        EXPECT_LE(lasted, 5s);
    });
    EXPECT_EQ(count_of("  fiber ", report), 2) << report;
}

TEST_F(shutdown, destroys_the_callables_of_fibers_that_never_ran) {
    int destroyed = 0;
    const auto count = [&] {
        this_fiber::sleep_for(1s);
        ++destroyed;
    };
    ramie::fiber<> kept;
    ramie::run([&] {
        kept = spawn(callable_that_ends_with(count));
        ramie::spawn_later(1h, callable_that_ends_with(count));
    });
    EXPECT_EQ(destroyed, 2);
    EXPECT_TRUE(kept.successful());
}

}  // namespace
