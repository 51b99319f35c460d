// What a scheduler owes its fibers and its thread.

#include "scheduler.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ramie/asio.hpp"
#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using scheduler = ramie::test::fiber_test;
using implicit_scheduler = ramie::test::fiber_test;
using idle_scheduler = ramie::test::fiber_test;
using errno_value = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

struct pipe_ends {
    pipe_ends() { EXPECT_EQ(::pipe(fds), 0); }
    ~pipe_ends() {
        for (const int fd : fds) {
            ramie::forget_descriptor(fd);
            ::close(fd);
        }
    }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;
    void write() const { EXPECT_EQ(::write(fds[1], "x", 1), 1); }
    int fds[2]{};
};

// Fibers that are always ready.
class spinners {
  public:
    explicit spinners(int count) {
        for (int i = 0; i != count; ++i)
            fibers_.push_back(spawn([this] {
                while (!stop_) this_fiber::yield();
            }));
    }
    ~spinners() {
        stop_ = true;
        ramie::join_all(fibers_);
    }
    spinners(const spinners&) = delete;
    spinners& operator=(const spinners&) = delete;

  private:
    bool stop_ = false;
    std::vector<ramie::fiber<>> fibers_;
};

TEST_F(scheduler, lets_no_yield_loop_starve_a_timer) {
    for (const int count : {1, 2, 100}) {
        const spinners busy(count);
        auto sleeper = spawn([] { this_fiber::sleep_for(5ms); });
        sleeper.join();
        EXPECT_THROW(ramie::with_timeout(5ms,
                                         [] {
                                             for (;;) this_fiber::yield();
                                         }),
                     ramie::timeout_expired);
    }
}

TEST_F(scheduler, lets_no_yield_loop_starve_a_descriptor) {
    const pipe_ends p;
    const spinners busy(10);
    auto reader = spawn([&] { return ramie::wait_readable(p.fds[0]); });
    let_others_run();
    p.write();
    EXPECT_TRUE(reader.get());
}

TEST_F(scheduler, lets_no_spawning_loop_starve_a_timer) {
    bool stop = false;
    std::function<void()> again = [&] {
        if (!stop) spawn(again);
    };
    spawn(again);
    this_fiber::sleep_for(5ms);
    stop = true;
    let_others_run();
}

TEST_F(scheduler, takes_turns) {
    std::string order;
    std::vector<ramie::fiber<>> fibers;
    for (const char name : {'a', 'b', 'c'})
        fibers.push_back(spawn([&order, name] {
            for (int i = 0; i != 3; ++i) {
                order += name;
                this_fiber::yield();
            }
        }));
    ramie::join_all(fibers);
    EXPECT_EQ(order, "abcabcabc");
}

TEST_F(scheduler, keeps_the_order_when_the_ready_queue_grows_and_wraps) {
    std::vector<std::size_t> order;
    std::vector<ramie::fiber<>> fibers;
    for (std::size_t i = 0; i != 500; ++i) {
        fibers.push_back(spawn([&order, i] {
            for (int round = 0; round != 3; ++round) {
                order.push_back(i);
                this_fiber::yield();
            }
        }));
        if (i % 50 == 49) this_fiber::yield();
    }
    ramie::join_all(fibers);
    ASSERT_EQ(order.size(), 1500U);
    std::vector<int> seen(500);
    for (const std::size_t i : order) ++seen[i];
    for (const int n : seen) EXPECT_EQ(n, 3);
}

TEST_F(scheduler, runs_on_each_of_two_threads_without_regard_to_the_other) {
    const auto work = [] {
        for (int round = 0; round != 200; ++round) {
            const pipe_ends p;
            auto reader = spawn([&] { return ramie::wait_readable(p.fds[0], 10s); });
            auto writer = spawn([&] {
                this_fiber::yield();
                p.write();
            });
            EXPECT_TRUE(reader.get());
            writer.join();
            this_fiber::sleep_for(1us);
        }
    };
    std::thread other([&] { ramie::run(work); });
    work();
    other.join();
}

TEST_F(implicit_scheduler, is_made_at_the_first_use_in_any_thread) {
    std::thread([] {
        EXPECT_EQ(ramie::detail::scheduler::find(), nullptr);
        EXPECT_EQ(this_fiber::id(), 0U);
        this_fiber::yield();
        EXPECT_EQ(ramie::detail::scheduler::find(), nullptr);
        this_fiber::sleep_for(1ms);
        EXPECT_NE(ramie::detail::scheduler::find(), nullptr);
        EXPECT_EQ(spawn([] { return 5; }).get(), 5);
    }).join();
}

TEST_F(implicit_scheduler, drops_with_its_thread_what_still_runs) {
    bool unwound = false;
    ramie::fiber<> left;
    std::thread([&] {
        left = spawn([&] {
            const ramie::test::at_exit note([&] { unwound = true; });
            this_fiber::sleep_for(1h);
        });
        this_fiber::yield();
    }).join();
    EXPECT_FALSE(unwound);
    EXPECT_FALSE(left.ready());
}

TEST_F(implicit_scheduler, leaves_handles_that_can_still_be_asked) {
    ramie::fiber<std::string> ended;
    std::thread([&] {
        ended = spawn([] { return std::string("result"); });
        ended.join();
    }).join();
    EXPECT_EQ(ended.get(), "result");
}

TEST_F(implicit_scheduler, can_be_used_in_a_thousand_threads) {
    const int before = ramie::test::open_descriptors();
    for (int i = 0; i != 1000; ++i) std::thread([] { spawn([] {}).join(); }).join();
    EXPECT_EQ(ramie::test::open_descriptors(), before);
}

long voluntary_switches() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

// How often the thread woke while it waited for a pipe that stayed silent for a second.
struct wakeups {
    long switches;
    std::uint64_t polls;
};
wakeups while_idle() {
    const pipe_ends p;
    std::thread writer([&] {
        std::this_thread::sleep_for(1100ms);
        p.write();
    });
    auto reader = spawn([&] { return ramie::wait_readable(p.fds[0]); });
    let_others_run();
    const wakeups before{voluntary_switches(), ramie::stats().polls};
    EXPECT_TRUE(reader.get());
    const wakeups after{voluntary_switches(), ramie::stats().polls};
    writer.join();
    return {after.switches - before.switches, after.polls - before.polls};
}

TEST_F(idle_scheduler, never_wakes_up) {
    const wakeups idle = while_idle();
    // One wait, and its end.
    EXPECT_LE(idle.switches, 2);
    EXPECT_LE(idle.polls, 3U);
}

TEST_F(idle_scheduler, never_wakes_up_beside_asio) {
    boost::asio::steady_timer unused(ramie::this_io_context());
    const wakeups idle = while_idle();
    EXPECT_LE(idle.switches, 2);
    EXPECT_LE(idle.polls, 6U);
}

// Stacks that were in use are given back in a second or two; then all is still.
TEST_F(idle_scheduler, never_wakes_up_once_it_has_given_its_stacks_back) {
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 100; ++i) fibers.push_back(spawn([] { this_fiber::yield(); }));
    ramie::join_all(fibers);
    fibers.clear();
    this_fiber::sleep_for(1100ms);
    this_fiber::sleep_for(1100ms);
    const wakeups idle = while_idle();
    EXPECT_LE(idle.switches, 3);
    EXPECT_LE(idle.polls, 4U);
}

TEST_F(errno_value, belongs_to_the_fiber) {
    errno = E2BIG;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 1; i != 100; ++i)
        fibers.push_back(spawn([i] {
            EXPECT_EQ(errno, 0);
            errno = i;
            this_fiber::yield();
            EXPECT_EQ(errno, i);
            this_fiber::sleep_for(1s);
            EXPECT_EQ(errno, i);
        }));
    this_fiber::yield();
    EXPECT_EQ(errno, E2BIG);
    ramie::join_all(fibers);
    EXPECT_EQ(errno, E2BIG);
}

}  // namespace
