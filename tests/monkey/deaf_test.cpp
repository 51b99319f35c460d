// Code that goes on whatever its calls return, as `while (recv(...) < 0);` does, is refused every
// wait once it was killed. It must not keep the thread.

#include <fcntl.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "support/children.hpp"
#include "support/patched_test.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace this_fiber = ramie::this_fiber;

std::set<int> open_numbers() {
    std::set<int> numbers;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd"))
        numbers.insert(std::stoi(each.path().filename()));
    std::erase_if(numbers, [](int each) { return ::fcntl(each, F_GETFD) < 0; });  // the look's own
    return numbers;
}

// What a fiber that was dropped had open is nobody's.
class left_behind {
  public:
    ~left_behind() {
        for (const int each : open_numbers())
            if (!before_.contains(each)) ::close(each);
    }

  private:
    std::set<int> before_ = open_numbers();
};

// The end of a run() in which a fiber makes the call for ever.
std::string report_of(const std::function<void()>& call) {
    const left_behind descriptors;
    const ramie::testing::virtual_clock clock;
    return stderr_of([&] {
        ramie::run(
            [&] {
                ramie::spawn({.name = "deaf"}, [&] {
                    for (;;) call();
                });
                this_fiber::sleep_for(1ms);
            },
            {.shutdown_grace = 20ms});
    });
}

class a_deaf_loop : public patched_test {
  protected:
    // The grace passes in spite of the fiber, which is listed.
    static void expect_end(const std::function<void()>& call) {
        const std::string report = report_of(call);
        EXPECT_EQ(count_of("shutdown_grace", report), 1) << report;
        EXPECT_EQ(count_of("\"deaf\"", report), 1) << report;
    }
};

class a_deaf_loop_around : public a_deaf_loop,
                           public ::testing::WithParamInterface<waiting_call> {};

TEST_P(a_deaf_loop_around, does_not_keep_run_from_ending) {
    const site s(GetParam());
    expect_end([&] { outcome_of(GetParam(), s); });
}

INSTANTIATE_TEST_SUITE_P(, a_deaf_loop_around, ::testing::ValuesIn(waiting_calls()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

TEST_F(a_deaf_loop, around_usleep_does_not_keep_run_from_ending) {
    expect_end([] { ::usleep(1'000'000); });
}

TEST_F(a_deaf_loop, around_a_semaphore_does_not_keep_run_from_ending) {
    sem_t never;
    ::sem_init(&never, 0, 0);
    expect_end([&] { ::sem_wait(&never); });
}

TEST_F(a_deaf_loop, around_waitpid_does_not_keep_run_from_ending) {
    const child c;
    expect_end([&] { ::waitpid(c.pid(), nullptr, 0); });
    c.end();
    EXPECT_EQ(::waitpid(c.pid(), nullptr, 0), c.pid());
}

TEST_F(a_deaf_loop, around_a_stream_does_not_keep_run_from_ending) {
    const ends pipe = open_channel(channel::pipe);
    FILE* const stream = ::fdopen(pipe.a, "r");
    expect_end([&] {
        std::fgetc(stream);
        std::clearerr(stream);
    });
    // The fiber that was dropped has the stream for ever.
    for (const int fd : {pipe.a, pipe.b}) ::close(fd);
}

// What other fibers need of it they get.
TEST_F(a_deaf_loop, lets_the_others_run) {
    const ramie::testing::virtual_clock clock;
    const ends pair = open_channel(channel::pair);
    bool over = false;
    const auto deaf = ramie::spawn([&] {
        char byte = 0;
        while (!over && ::recv(pair.a, &byte, 1, 0) < 0) continue;
    });
    let_others_run();
    EXPECT_FALSE(deaf.kill(5ms));
    EXPECT_FALSE(deaf.kill(5ms));
    for (int i = 0; i != 10; ++i) this_fiber::sleep_for(1ms);
    over = true;
    EXPECT_TRUE(deaf.join());
    for (const int fd : {pair.a, pair.b}) ::close(fd);
}

// A byte ends it: what has arrived comes first.
TEST_F(a_deaf_loop, gets_what_arrives) {
    const ends pair = open_channel(channel::pair);
    char byte = 0;
    const auto deaf = ramie::spawn([&] {
        while (::recv(pair.a, &byte, 1, 0) < 0) continue;
    });
    let_others_run();
    EXPECT_FALSE(deaf.kill(2ms));
    EXPECT_EQ(::send(pair.b, "x", 1, 0), 1);
    EXPECT_TRUE(deaf.join());
    EXPECT_EQ(byte, 'x');
    for (const int fd : {pair.a, pair.b}) ::close(fd);
}

// `for (;;) spawn(serve, accept(...))` after a system_exit, or a deadlock.
TEST_F(a_deaf_loop, on_the_main_fiber_lets_what_it_spawns_run) {
    const int listener = open_listener(AF_INET, 1);
    int served = 0;
    std::size_t most = 0;
    ramie::run([&] {
        ramie::spawn([] { throw ramie::system_exit{3}; });
        while (served < 1000) {
            ramie::spawn([&served](int peer) { served += ::close(peer) < 0 ? 1 : 0; },
                         ::accept(listener, nullptr, nullptr));
            most = std::max(most, ramie::stats().fibers);
        }
    });
    EXPECT_LT(most, 200U);
    ::close(listener);
}

}  // namespace
