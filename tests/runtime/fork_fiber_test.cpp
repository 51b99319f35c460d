// How the fiber that called fork() goes on in the child.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/local.hpp"
#include "ramie/mutex.hpp"
#include "ramie/post.hpp"
#include "ramie/thread_pool.hpp"
#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"
#include "support/forked.hpp"

namespace {

using namespace std::chrono_literals;
using ramie::spawn;
using ramie::test::expect_quiet;
using ramie::test::in_child;
namespace this_fiber = ramie::this_fiber;

// The status with which the child of a fiber ends: `f` is run by both, and told which it is.
template <class F>
int status_of_child(F f) {
    pid_t child = -1;
    spawn([&] {
        std::fflush(nullptr);
        child = ::fork();
        return f(child == 0);
    }).join();
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
}

template <class F>
int in_child_of_fiber(F f) {
    return WEXITSTATUS(status_of_child([&](bool is_child) {
        if (is_child) std::exit(f());
    }));
}

using fiber_in_a_child = ramie::test::fiber_test;

TEST_F(fiber_in_a_child, is_the_only_one) {
    const ramie::testing::virtual_clock clock;
    int others = 0;
    auto sleeper = spawn([&] {
        this_fiber::sleep_for(5ms);
        ++others;
    });
    auto waiting = spawn([&] { ++others; });
    const auto code = in_child_of_fiber([&] {
        this_fiber::sleep_for(30ms);
        this_fiber::yield();
        EXPECT_EQ(ramie::stats().fibers, 0U);
        return others == 1 && !sleeper.ready() ? 7 : 1;
    });
    EXPECT_EQ(code, 7);
    sleeper.join();
    waiting.join();
    EXPECT_EQ(others, 2);
}

TEST_F(fiber_in_a_child, spawns_waits_and_is_who_it_was) {
    ramie::local<int> mine;
    EXPECT_EQ(in_child_of_fiber([&] {
                  *mine = 3;
                  const auto id = this_fiber::id();
                  auto made = spawn([&] { return *mine + 4; });
                  return made.get() + (id == this_fiber::id() ? *mine : 100);
              }),
              7);
}

TEST_F(fiber_in_a_child, ends_the_process_when_it_ends) {
    const int status = status_of_child([](bool) {});
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(fiber_in_a_child, unwinds_what_it_spawned_before_the_process_ends) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    struct farewell {
        int to;
        ~farewell() { static_cast<void>(!::write(to, "bye", 3)); }
    };
    const int status = status_of_child([&](bool is_child) {
        if (!is_child) return;
        spawn([&] {
            const farewell last{ends[1]};
            this_fiber::sleep_for(1h);
        });
        this_fiber::yield();
    });
    EXPECT_EQ(status, 0);
    std::array<char, 8> bytes{};
    EXPECT_EQ(::read(ends[0], bytes.data(), bytes.size()), 3);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(fiber_in_a_child, ends_the_process_with_the_code_of_a_system_exit) {
    const int status = status_of_child([](bool is_child) {
        if (is_child) throw ramie::system_exit{9};
    });
    EXPECT_EQ(WEXITSTATUS(status), 9);
}

TEST_F(fiber_in_a_child, ends_the_process_with_1_when_it_throws) {
    const int status = status_of_child([](bool is_child) {
        if (is_child) throw std::runtime_error("thrown in the child");
    });
    EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST_F(fiber_in_a_child, keeps_its_timeouts) {
    const ramie::testing::virtual_clock clock;
    EXPECT_EQ(in_child_of_fiber([] { return 1; }), 1);
    pid_t child = -1;
    spawn([&] {
        const ramie::timeout limit(20ms);
        child = ::fork();
        if (child != 0) return;
        try {
            this_fiber::sleep_for(1h);
        } catch (const ramie::timeout_expired& e) {
            std::_Exit(limit.owns(e) ? 5 : 1);
        }
    }).join();
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST_F(fiber_in_a_child, survives_the_timeouts_of_the_others) {
    const ramie::testing::virtual_clock clock;
    auto other = spawn([] {
        const ramie::timeout limit(10ms);
        try {
            this_fiber::sleep_for(1h);
        } catch (const ramie::timeout_expired&) {
        }
    });
    this_fiber::yield();
    EXPECT_EQ(in_child_of_fiber([] {
                  this_fiber::sleep_for(40ms);
                  return 2;
              }),
              2);
    other.get();
}

TEST_F(fiber_in_a_child, keeps_the_lock_that_it_holds_and_hands_it_to_nobody_who_is_gone) {
    ramie::mutex lock;
    std::vector<ramie::fiber<>> others;
    EXPECT_EQ(in_child_of_fiber([] { return 0; }), 0);
    pid_t child = -1;
    auto holder = spawn([&] {
        lock.lock();
        for (int i = 0; i != 3; ++i)
            others.push_back(spawn([&] { const std::lock_guard guard(lock); }));
        this_fiber::yield();
        child = ::fork();
        lock.unlock();
        if (child == 0) std::_Exit(lock.try_lock() ? 4 : 1);
    });
    holder.join();
    ramie::join_all(others);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 4);
}

TEST_F(fiber_in_a_child, is_told_that_it_cannot_join_its_parents_fibers) {
    const ramie::testing::virtual_clock clock;
    auto other = spawn([] { this_fiber::sleep_for(20ms); });
    EXPECT_EQ(in_child_of_fiber([&] {
                  return ramie::test::error_of<std::logic_error>([&] {
                             other.join();
                         }).find("parent of this process") != std::string::npos
                             ? 3
                             : 1;
              }),
              3);
    other.join();
}

TEST_F(fiber_in_a_child, gets_the_deadlock_that_the_main_fiber_would_get) {
    EXPECT_EQ(in_child_of_fiber([] {
                  ramie::event never;
                  try {
                      never.wait();
                  } catch (const ramie::deadlock_error&) {
                      return 6;
                  }
                  return 1;
              }),
              6);
}

TEST_F(fiber_in_a_child, may_fork_again) {
    EXPECT_EQ(in_child_of_fiber([] {
                  return in_child_of_fiber([] {
                             this_fiber::sleep_for(1ms);
                             return 20;
                         }) +
                         in_child([] { return 2; });
              }),
              22);
}

TEST_F(fiber_in_a_child, may_use_run) {
    EXPECT_EQ(in_child_of_fiber([] {
                  const int code = ramie::run([] { return spawn([] { return 8; }).get(); });
                  auto after = spawn([] { return 1; });
                  return code + after.get();
              }),
              9);
}

TEST_F(fiber_in_a_child, offloads_to_threads_of_its_own) {
    EXPECT_EQ(ramie::offload([] { return 1; }), 1);
    EXPECT_EQ(in_child_of_fiber([] { return ramie::offload([] { return 11; }); }), 11);
    EXPECT_EQ(ramie::offload([] { return 2; }), 2);
}

TEST_F(fiber_in_a_child, has_a_guarded_stack) {
    const int status = status_of_child([](bool is_child) {
        if (!is_child) return;
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::close(STDERR_FILENO);
        spawn([] {
            volatile char deep[1 << 20];
            for (std::size_t i = sizeof deep; i != 0; i -= 1024) deep[i - 1] = 1;
        }).join();
    });
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

TEST_F(fiber_in_a_child, may_have_no_descriptor_left) {
    EXPECT_EQ(in_child_of_fiber([] { return 0; }), 0);
    std::vector<int> all;
    pid_t child = -1;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit few{std::min<rlim_t>(256, before.rlim_max), before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) all.push_back(fd);
    spawn([&] {
        child = ::fork();
        if (child != 0) return;
        this_fiber::sleep_for(1ms);
        std::_Exit(12);
    }).join();
    for (const int fd : all) ::close(fd);
    ::setrlimit(RLIMIT_NOFILE, &before);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 12);
}

// Readers wait in the parent all the while; every child reads from a pipe of its own.
TEST_F(fiber_in_a_child, leaves_a_busy_parent_undisturbed) {
    constexpr int rounds = 30;
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_NONBLOCK), 0);
    int got = 0;
    auto reader = spawn([&] {
        char byte = 0;
        while (got != rounds && ramie::wait_readable(ends[0]))
            if (::read(ends[0], &byte, 1) == 1) ++got;
    });
    int ticks = 0;
    auto ticker = spawn([&] {
        for (;; ++ticks) this_fiber::sleep_for(100us);
    });
    for (int i = 0; i != rounds; ++i) {
        EXPECT_EQ(in_child_of_fiber([&] {
                      std::array<int, 2> own{};
                      if (::pipe(own.data()) != 0) return 1;
                      auto writer = spawn([&] { return ::write(own[1], "x", 1); });
                      return ramie::wait_readable(own[0], 10s) && writer.get() == 1 ? 13 : 2;
                  }),
                  13);
        EXPECT_EQ(::write(ends[1], "y", 1), 1);
        this_fiber::yield();
    }
    reader.join();
    EXPECT_EQ(got, rounds);
    ticker.kill();
    expect_quiet();
    ramie::forget_descriptor(ends[0]);
    for (const int end : ends) ::close(end);
}

TEST_F(fiber_in_a_child, of_a_run_ends_it_there) {
    pid_t child = -1;
    const int code = ramie::run([&] {
        auto other = spawn([] { this_fiber::sleep_for(1h); });
        this_fiber::yield();
        child = ::fork();
        if (child != 0) other.kill();
        return child == 0 ? 21 : 0;
    });
    if (child == 0) std::_Exit(code);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 21);
}

TEST_F(fiber_in_a_child, does_not_go_on_with_the_loop_that_forked) {
    pid_t child = -1;
    int after = 0;
    ramie::event done;
    const auto here = ramie::this_scheduler();
    here.post([&] { child = ::fork(); });
    here.post([&] {
        ++after;
        if (child == 0) std::_Exit(1);
        done.set();
    });
    done.wait();
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(after, 1);
}

}  // namespace
