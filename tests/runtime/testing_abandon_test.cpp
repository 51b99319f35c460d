#include <unistd.h>

#include <array>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using abandon = ramie::test::fiber_test;
using abandoned = ramie::test::fiber_test;
using ramie::spawn;
using ramie::test::error_of;
using ramie::testing::kill_everywhere;
using ramie::testing::memory_stream_pair;
using ramie::testing::require;
using ramie::testing::time_out_everywhere;
namespace this_fiber = ramie::this_fiber;

void three_suspensions() {
    this_fiber::yield();
    this_fiber::sleep_for(1h);
    this_fiber::yield();
}

TEST_F(abandon, visits_every_suspension) {
    EXPECT_EQ(kill_everywhere(three_suspensions), 3U);
    EXPECT_EQ(time_out_everywhere(three_suspensions), 3U);
    EXPECT_EQ(kill_everywhere([] {}), 0U);
}

TEST_F(abandon, runs_up_to_each_of_them) {
    std::vector<int> reached;
    kill_everywhere([&] {
        reached.push_back(0);
        for (int i = 0; i != 2; ++i) {
            this_fiber::yield();
            reached.back() = i + 1;
        }
    });
    EXPECT_EQ(reached, (std::vector{0, 1, 2}));
}

TEST_F(abandon, finds_a_fiber_that_is_left_waiting) {
    const std::string message = error_of<std::runtime_error>([] {
        kill_everywhere([] {
            ramie::async_result<> stop;
            spawn({.name = "helper"}, [stop] { stop.wait(); });
            this_fiber::yield();
            stop.set();
        });
    });
    EXPECT_NE(message.find("suspension 1 (a yield)"), message.npos) << message;
    EXPECT_NE(message.find("\"helper\": parked"), message.npos) << message;
}

TEST_F(abandon, finds_a_descriptor_that_is_left_open) {
    std::array<int, 2> ends{};
    const auto close_both = [&] {
        for (const int end : ends) ::close(end);
    };
    const std::string message = error_of<std::runtime_error>([&] {
        kill_everywhere([&] {
            require(::pipe(ends.data()) == 0, "a pipe is made");
            this_fiber::sleep_for(1s);
            close_both();
        });
    });
    EXPECT_NE(message.find("pipe:["), message.npos) << message;
    close_both();
}

TEST_F(abandon, asks_what_is_to_hold_after) {
    int taken = 0;
    const std::string message = error_of<std::runtime_error>([&] {
        kill_everywhere(
            [&] {
                taken = 1;
                this_fiber::sleep_for(1s);
                taken = 0;
            },
            [&] { require(taken == 0, "it is given back"); });
    });
    EXPECT_NE(message.find("it is given back"), message.npos) << message;
    EXPECT_NE(message.find("(the end of a sleep)"), message.npos) << message;
}

TEST_F(abandon, takes_an_exception_of_the_body_for_a_failure) {
    EXPECT_THROW(kill_everywhere([] { throw std::runtime_error("boom"); }), std::runtime_error);
}

TEST_F(abandon, lets_a_body_survive_a_timeout) {
    int caught = 0;
    EXPECT_EQ(time_out_everywhere([&] {
                  try {
                      three_suspensions();
                  } catch (const ramie::timeout_expired&) {
                      ++caught;
                  }
              }),
              3U);
    EXPECT_EQ(caught, 3);
}

// --- what the primitives leave behind --------------------------------------------------------

void wait_in_every_way() {
    ramie::event go;
    auto setter = ramie::spawn_later(1s, [&] { go.set(); });
    const ramie::test::at_exit end([&] { setter.kill(); });
    go.wait();
    go.wait(1h);
    const ramie::timeout limit(1s);
    this_fiber::sleep_for(1h);
}

TEST_F(abandoned, waits_leave_nothing_behind) {
    EXPECT_GT(kill_everywhere([] {
                  try {
                      wait_in_every_way();
                  } catch (const ramie::timeout_expired&) {
                  }
              }),
              1U);
}

void transfer_between_streams() {
    auto [near, far] = memory_stream_pair(2);
    auto reader = spawn([&from = far] {
        std::array<char, 4> buffer;
        while (from.read_some(buffer) != 0) {
        }
    });
    const ramie::test::at_exit end([&] { reader.kill(); });
    near.write_all("more than fits at once");
    near.shutdown_write();
    reader.join();
}

TEST_F(abandoned, transfers_leave_nothing_behind) {
    EXPECT_GT(kill_everywhere(transfer_between_streams), 3U);
    EXPECT_GT(time_out_everywhere(transfer_between_streams), 3U);
}

TEST_F(abandon, gives_up_on_a_body_that_never_ends) {
    const std::string endless = error_of<std::runtime_error>([] {
        kill_everywhere([] {
            for (;;) this_fiber::yield();
        });
    });
    EXPECT_NE(endless.find("suspensions"), endless.npos) << endless;
}

// On a thread of its own, which keeps the stack of what could not be ended.
TEST_F(abandon, gives_up_on_a_body_that_lives_on_after_a_kill) {
    const auto problem_of = [](const std::function<void()>& wait) {
        return error_of<std::runtime_error>([&] {
            kill_everywhere([&] {
                for (;;) try {
                        wait();
                    } catch (const ramie::fiber_exit&) {
                    }
            });
        });
    };
    std::thread([&] {
        for (const auto& each :
             {problem_of(&this_fiber::yield), problem_of([] { this_fiber::sleep_for(1s); })})
            EXPECT_NE(each.find("did not end"), each.npos) << each;
    }).join();
}

}  // namespace
