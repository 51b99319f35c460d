// A timer that interrupts the process every 100 microseconds: native transfers are whole, deadlines
// come.

#include <array>
#include <chrono>
#include <string>

#include "loopback.hpp"
#include "support/storm.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using in_a_storm = fiber_test;

void do_nothing(int) {}

TEST_F(in_a_storm, streams_move_all_bytes) {
    const signal_storm storm(&do_nothing, 0);
    auto c = connect_to_self();
    std::string all(4'000'000, '\0');
    for (std::size_t i = 0; i != all.size(); ++i) all[i] = static_cast<char>(i * 7 + i / 251);
    const auto sender = ramie::spawn([&] { c.client.write_all(all, 15s); });
    std::string got(all.size(), '\0');
    c.server.read_exactly(std::span(got), 15s);
    EXPECT_TRUE(got == all);
    sender.get();
}

TEST_F(in_a_storm, deadlines_come) {
    const signal_storm storm(&do_nothing, 0);
    auto c = connect_to_self();
    std::array<char, 1> byte;
    for (int i = 0; i != 5; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        EXPECT_THROW(c.server.read_exactly(byte, 10ms), ramie::timeout_expired);
        EXPECT_GE(std::chrono::steady_clock::now() - begin, 10ms);
    }
}

}  // namespace
