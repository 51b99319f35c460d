// While one fiber waits in a patched call, the others run.

#include <poll.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "support/patched_test.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace this_fiber = ramie::this_fiber;

// --- every call ------------------------------------------------------------------------------

class a_waiting_call : public patched_test, public ::testing::WithParamInterface<waiting_call> {};

TEST_P(a_waiting_call, lets_the_others_run) {
    site s(GetParam());
    bool over = false;
    int ticks = 0;
    const auto ticker = ramie::spawn([&] {
        while (!over) {
            ++ticks;
            this_fiber::yield();
        }
    });
    const auto waiting = ramie::spawn([&] { return outcome_of(GetParam(), s); });
    this_fiber::yield();
    const int before = ticks;
    for (int i = 0; i != 100; ++i) this_fiber::yield();
    EXPECT_FALSE(waiting.ready());
    EXPECT_GE(ticks, before + 99);
    GetParam().end(s);
    EXPECT_TRUE(waiting.join(10s));
    EXPECT_EQ(waiting.get(), GetParam().error);
    over = true;
    ticker.get();
}

// On one thread.
TEST_P(a_waiting_call, is_made_by_many_at_once) {
    if (GetParam().error != 0) GTEST_SKIP() << "takes too long to prepare";
    std::vector<std::unique_ptr<site>> sites;
    std::vector<ramie::fiber<long>> all;
    for (int i = 0; i != 50; ++i) {
        sites.push_back(std::make_unique<site>(GetParam()));
        all.push_back(ramie::spawn([&, i] { return GetParam().wait(*sites[std::size_t(i)]); }));
    }
    let_others_run();
    for (const auto& each : all) EXPECT_FALSE(each.ready());
    for (auto& each : sites) GetParam().end(*each);
    for (const auto& each : all) EXPECT_EQ(each.get(), 0);
}

INSTANTIATE_TEST_SUITE_P(, a_waiting_call, ::testing::ValuesIn(waiting_calls()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

// --- many on one descriptor ------------------------------------------------------------------

class one_descriptor : public patched_test, public ::testing::WithParamInterface<channel> {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        patched_test::TearDown();
    }
    const ends ends_ = open_channel(GetParam());
};

// Reads one byte and says who got which.
void read_one(int fd, int who, std::string& log) {
    char byte = '?';
    EXPECT_EQ(::read(fd, &byte, 1), 1);
    log += std::to_string(who) + byte + " ";
}

TEST_P(one_descriptor, serves_its_readers_in_their_order) {
    std::string log;
    std::vector<ramie::fiber<>> readers;
    for (int i = 0; i != 5; ++i)
        readers.push_back(ramie::spawn([&, i] { read_one(ends_.a, i, log); }));
    let_others_run();
    for (const char c : {'a', 'b'}) {
        ASSERT_EQ(::write(ends_.b, &c, 1), 1);
        const auto before = log.size();
        while (log.size() == before) this_fiber::yield();
    }
    for (const char c : {'c', 'd', 'e'}) ASSERT_EQ(::write(ends_.b, &c, 1), 1);
    for (const auto& each : readers) each.get();
    EXPECT_EQ(log, "0a 1b 2c 3d 4e ");
}

// Who is woken and finds that another has taken it keeps its turn.
TEST_P(one_descriptor, serves_all_of_many_readers_again_and_again) {
    std::string log;
    std::vector<ramie::fiber<>> readers;
    for (char who = 'a'; who != 'e'; ++who)
        readers.push_back(ramie::spawn([&, who] {
            char byte;
            while (::read(ends_.a, &byte, 1) == 1 && byte != 'q') log += who;
        }));
    let_others_run();
    for (std::size_t i = 0; i != 100; ++i) {
        ASSERT_EQ(::write(ends_.b, "x", 1), 1);
        while (log.size() == i) this_fiber::yield();
        let_others_run();
    }
    for (std::size_t i = 0; i != readers.size(); ++i) ASSERT_EQ(::write(ends_.b, "q", 1), 1);
    for (const auto& each : readers) each.get();
    for (std::size_t i = 0; i != 100; ++i) EXPECT_EQ(log[i], "abcd"[i % 4]) << i;
}

INSTANTIATE_TEST_SUITE_P(, one_descriptor,
                         ::testing::Values(channel::tcp, channel::unix_stream, channel::udp,
                                           channel::pipe),
                         channel_name<::testing::TestParamInfo<channel>>);

// --- non-blocking descriptors ----------------------------------------------------------------

class a_nonblocking_loop : public patched_test {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        patched_test::TearDown();
    }

    void transfer_once() const {
        char byte = 'x';
        EXPECT_EQ(::write(ends_.b, &byte, 1), 1);
        EXPECT_EQ(::read(ends_.a, &byte, 1), 1);
        EXPECT_EQ(::read(ends_.a, &byte, 1), -1);
    }

    const ends ends_ = open_channel(channel::pair, SOCK_NONBLOCK);
};

// What OpenSSL keeps for the thread between two calls is still there.
TEST_F(a_nonblocking_loop, keeps_the_thread_until_it_polls) {
    bool switched = false;
    const auto other = ramie::spawn([&] { switched = true; });
    for (int i = 0; i != 300; ++i) transfer_once();
    EXPECT_FALSE(switched);
    pollfd ready{ends_.b, POLLOUT, 0};
    EXPECT_EQ(::poll(&ready, 1, -1), 1);
    EXPECT_TRUE(switched);
}

TEST_F(a_nonblocking_loop, gives_way_in_the_end_if_it_never_polls) {
    bool switched = false;
    const auto other = ramie::spawn([&] { switched = true; });
    for (int i = 0; i != 10'000 && !switched; ++i) transfer_once();
    EXPECT_TRUE(switched);
}

}  // namespace
