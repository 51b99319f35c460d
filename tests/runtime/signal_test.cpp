#include "ramie/signal.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/lock.hpp"
#include "support/fiber_test.hpp"
#include "support/forked.hpp"

namespace {

using namespace std::chrono_literals;
// The fiber of a subscription that is gone ends at its next turn.
class on_signal : public ramie::test::fiber_test {
  protected:
    void TearDown() override {
        ramie::test::let_others_run();
        fiber_test::TearDown();
    }
};
using wait_signal = ramie::test::fiber_test;
using signal_set = ramie::test::fiber_test;
using ramie::spawn;
using ramie::test::in_child;
namespace this_fiber = ramie::this_fiber;

void send(int signal) { ::kill(::getpid(), signal); }

struct sigaction action_of(int signal) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    return now;
}

TEST_F(on_signal, calls_in_a_fiber_that_may_suspend) {
    ramie::event called;
    const auto s = ramie::on_signal(SIGUSR1, [&] {
        this_fiber::sleep_for(1ms);
        called.set();
    });
    EXPECT_TRUE(s.active());
    for (int i = 0; i != 3; ++i) {
        called.clear();
        send(SIGUSR1);
        called.wait();
    }
}

TEST_F(on_signal, tells_every_subscriber) {
    std::string calls;
    ramie::semaphore told(0);
    const auto note = [&](char who) {
        return [&calls, &told, who] {
            calls += who;
            told.release();
        };
    };
    const auto first = ramie::on_signal(SIGUSR1, note('a'));
    auto second = ramie::on_signal(SIGUSR1, note('b'));
    const auto other = ramie::on_signal(SIGUSR2, note('c'));
    send(SIGUSR1);
    told.acquire();
    told.acquire();
    EXPECT_EQ(calls.size(), 2U);
    EXPECT_EQ(calls.find('c'), std::string::npos);
    second.cancel();
    EXPECT_FALSE(second.active());
    calls.clear();
    send(SIGUSR1);
    told.acquire();
    send(SIGUSR2);
    told.acquire();
    EXPECT_EQ(calls, "ac");
}

// asio::signal_set loses the SIGTERM: a pipe is full by then.
TEST_F(on_signal, loses_none_behind_a_flood_of_another) {
    int flood = 0;
    ramie::event term;
    const auto users = ramie::on_signal(SIGUSR1, [&] { ++flood; });
    const auto terms = ramie::on_signal(SIGTERM, [&] { term.set(); });
    for (int i = 0; i != 20'000; ++i) ::raise(SIGUSR1);
    ::raise(SIGTERM);
    term.wait();
    ramie::test::let_others_run();
    EXPECT_EQ(flood, 1) << "those that come before anyone looks are one";
}

TEST_F(on_signal, loses_none_that_comes_during_a_call) {
    int calls = 0;
    ramie::event twice;
    const auto s = ramie::on_signal(SIGUSR1, [&] {
        if (++calls == 2) return twice.set();
        for (int i = 0; i != 3; ++i) ::raise(SIGUSR1);
        this_fiber::sleep_for(1ms);
    });
    ::raise(SIGUSR1);
    twice.wait();
    this_fiber::sleep_for(1ms);
    EXPECT_EQ(calls, 2);
}

std::atomic<int> plain_calls = 0;

TEST_F(on_signal, gives_back_what_was_there_before) {
    struct sigaction mine {};
    mine.sa_handler = [](int) { ++plain_calls; };
    struct sigaction original {};
    ASSERT_EQ(::sigaction(SIGUSR1, &mine, &original), 0);
    {
        auto outer = std::optional(ramie::on_signal(SIGUSR1, [] {}));
        const auto now = action_of(SIGUSR1);
        EXPECT_EQ(now.sa_flags & (SA_ONSTACK | SA_RESTART), SA_ONSTACK | SA_RESTART);
        const auto inner = ramie::on_signal(SIGUSR1, [] {});
        outer.reset();
        ::raise(SIGUSR1);
        EXPECT_EQ(plain_calls, 0);
    }
    ::raise(SIGUSR1);
    EXPECT_EQ(plain_calls, 1);
    // What somebody else has put there meanwhile stays.
    {
        const auto s = ramie::on_signal(SIGUSR1, [] {});
        ::signal(SIGUSR1, SIG_IGN);
    }
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_IGN);
    ::sigaction(SIGUSR1, &original, nullptr);
}

TEST_F(on_signal, keeps_no_run_from_ending_and_ends_with_it) {
    std::optional<ramie::signal_subscription> outlives;
    ramie::test::end_scheduler();
    EXPECT_EQ(ramie::run([&] {
                  outlives.emplace(ramie::on_signal(SIGUSR1, [] {}));
                  this_fiber::yield();
                  return 3;
              }),
              3);
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
    EXPECT_FALSE(outlives->active());
}

// Without the subscription this is a deadlock.
TEST_F(on_signal, is_awaited_by_an_idle_scheduler) {
    ramie::event done;
    const auto s = ramie::on_signal(SIGALRM, [&] { done.set(); });
    ::ualarm(20'000, 0);
    done.wait();
}

TEST_F(on_signal, goes_on_after_a_call_that_throws) {
    std::vector<std::string> reports;
    ramie::on_unhandled_exception(
        [&](const std::string& where, std::exception_ptr) { reports.push_back(where); });
    ramie::semaphore called(0);
    const auto s = ramie::on_signal(SIGUSR1, [&] {
        called.release();
        throw std::runtime_error("no");
    });
    for (int i = 0; i != 2; ++i) {
        send(SIGUSR1);
        called.acquire();
        ramie::test::let_others_run();
    }
    EXPECT_EQ(reports, std::vector<std::string>(2, "a handler of on_signal"));
    ramie::on_unhandled_exception(nullptr);
}

TEST_F(on_signal, may_be_cancelled_by_its_own_call) {
    ramie::event called;
    std::optional<ramie::signal_subscription> s;
    s.emplace(ramie::on_signal(SIGUSR1, [&] {
        s->cancel();
        this_fiber::yield();
        called.set();
    }));
    send(SIGUSR1);
    called.wait();
    this_fiber::yield();
    EXPECT_FALSE(s->active());
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
}

TEST_F(on_signal, reaches_the_schedulers_of_all_threads) {
    constexpr int count = 4;
    std::atomic<int> ready = 0;
    std::atomic<int> told = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i != count; ++i)
        threads.emplace_back([&] {
            ramie::run([&] {
                ramie::event mine;
                const auto s = ramie::on_signal(SIGUSR1, [&] { mine.set(); });
                ++ready;
                mine.wait();
                ++told;
            });
        });
    ramie::event mine;
    const auto s = ramie::on_signal(SIGUSR1, [&] { mine.set(); });
    while (ready != count) this_fiber::sleep_for(1ms);
    send(SIGUSR1);
    mine.wait();
    for (auto& each : threads) each.join();
    EXPECT_EQ(told, count);
}

// Those who come and go meet handlers that run on another thread.
TEST_F(on_signal, may_come_and_go_while_signals_arrive) {
    struct sigaction original {};
    struct sigaction ignore {};
    ignore.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &ignore, &original);
    std::atomic<bool> stop = false;
    std::thread sender([&] {
        while (!stop) ::raise(SIGUSR1);
    });
    for (int i = 0; i != 300; ++i) {
        ramie::signal_set set{SIGUSR1};
        EXPECT_EQ(set.wait(), SIGUSR1);
    }
    stop = true;
    sender.join();
    ::sigaction(SIGUSR1, &original, nullptr);
}

TEST_F(on_signal, does_not_reach_into_a_forked_child) {
    int calls = 0;
    const auto s = ramie::on_signal(SIGTERM, [&] { ++calls; });
    EXPECT_EQ(in_child([] {
                  ::raise(SIGTERM);
                  return 0;
              }),
              -SIGTERM);
    // The child has its own.
    EXPECT_EQ(in_child([] {
                  ramie::event called;
                  const auto mine = ramie::on_signal(SIGTERM, [&] { called.set(); });
                  ::raise(SIGTERM);
                  return called.wait(10s) ? 7 : 1;
              }),
              7);
    this_fiber::sleep_for(5ms);
    EXPECT_EQ(calls, 0);
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(::sigismember(&blocked, SIGTERM), 0);
}

TEST_F(wait_signal, returns_the_one_that_came) {
    auto sender = spawn([] { send(SIGUSR2); });
    EXPECT_EQ(ramie::wait_signal({SIGUSR1, SIGUSR2}), SIGUSR2);
    EXPECT_EQ(ramie::wait_signal({SIGUSR1, SIGUSR2}, 2ms), std::nullopt);
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
    sender.join();
}

TEST_F(wait_signal, keeps_the_others_that_come_together_for_the_next_call) {
    const auto both = [] { return ramie::wait_signal({SIGUSR1, SIGUSR2, SIGHUP}, 10s); };
    auto waiting = spawn(both);
    this_fiber::yield();
    for (const int each : {SIGHUP, SIGUSR2, SIGUSR1}) ::raise(each);
    EXPECT_EQ(waiting.get(), SIGHUP);
    EXPECT_EQ(ramie::wait_signal({SIGUSR2}, 10s), SIGUSR2);
    EXPECT_EQ(both(), SIGUSR1);
    EXPECT_EQ(ramie::wait_signal({SIGUSR1, SIGUSR2, SIGHUP}, 0s), std::nullopt);
}

TEST_F(wait_signal, that_is_killed_keeps_what_it_was_told) {
    auto waiting = spawn([] { ramie::wait_signal({SIGUSR1}); });
    this_fiber::yield();
    ::raise(SIGUSR1);
    waiting.kill();
    EXPECT_EQ(ramie::wait_signal({SIGUSR1}, 10s), SIGUSR1);
}

TEST_F(wait_signal, begins_with_none_in_a_child) {
    auto waiting = spawn([] { return ramie::wait_signal({SIGUSR1, SIGUSR2}); });
    this_fiber::yield();
    ::raise(SIGUSR1);
    ::raise(SIGUSR2);
    EXPECT_EQ(waiting.get(), SIGUSR1);
    EXPECT_EQ(in_child([] { return ramie::wait_signal({SIGUSR2}, 0s) ? 1 : 0; }), 0);
    EXPECT_EQ(ramie::wait_signal({SIGUSR2}, 10s), SIGUSR2);
}

TEST_F(wait_signal, can_be_killed) {
    auto waiting = spawn([] { ramie::wait_signal({SIGUSR1}); });
    this_fiber::yield();
    waiting.kill();
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
}

TEST_F(signal_set, keeps_what_arrives_between_two_waits) {
    ramie::signal_set set{SIGUSR1, SIGUSR2, SIGRTMIN};
    for (const int each : {SIGUSR2, SIGUSR1, SIGRTMIN, SIGUSR2}) ::raise(each);
    EXPECT_EQ(set.wait(), SIGUSR1);
    ::raise(SIGUSR1);
    EXPECT_EQ(set.wait(), SIGUSR1);
    EXPECT_EQ(set.wait(), SIGUSR2);
    EXPECT_EQ(set.wait(), SIGRTMIN);
    EXPECT_EQ(set.wait(1ms), std::nullopt);
}

TEST_F(signal_set, refuses_what_cannot_be_received) {
    for (const int each : {0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
        EXPECT_THROW(ramie::signal_set{each}, std::invalid_argument) << each;
    EXPECT_THROW(static_cast<void>(ramie::on_signal(SIGUSR1, nullptr)), std::invalid_argument);
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
}

TEST_F(signal_set, that_is_destroyed_tells_who_waits) {
    auto set = std::make_unique<ramie::signal_set>(std::initializer_list<int>{SIGUSR1});
    auto waiting = spawn([&] { EXPECT_THROW(set->wait(), std::system_error); });
    this_fiber::yield();
    set.reset();
    waiting.join();
}

}  // namespace
