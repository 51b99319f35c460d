#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include "ramie/fiber.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using memory_stream = ramie::test::virtual_time_test;
using stream_faults = ramie::test::virtual_time_test;
using explored_memory_stream = ramie::test::fiber_test;
using ramie::spawn;
using ramie::testing::explore;
using ramie::testing::explore_all;
using ramie::testing::fault_plan;
using ramie::testing::memory_stream_pair;
using ramie::testing::require;
using stream = ramie::testing::memory_stream;
namespace this_fiber = ramie::this_fiber;

std::string read_to_end(stream& from) {
    std::string text;
    std::array<char, 7> buffer;
    while (const std::size_t n = from.read_some(buffer)) text.append(buffer.data(), n);
    return text;
}

template <class F>
int error_number_of(F f) {
    try {
        f();
    } catch (const std::system_error& e) {
        return e.code().value();
    }
    return 0;
}

std::string numbers(int count) {
    std::string text;
    for (int i = 0; i != count; ++i) text += std::to_string(i) + ' ';
    return text;
}

TEST_F(memory_stream, carries_bytes_both_ways) {
    auto [near, far] = memory_stream_pair();
    near.write_all("ping");
    std::array<char, 4> buffer;
    far.read_exactly(buffer);
    EXPECT_EQ(std::string_view(buffer.data(), 4), "ping");
    far.write_all("pong");
    near.read_exactly(buffer);
    EXPECT_EQ(std::string_view(buffer.data(), 4), "pong");
}

TEST_F(memory_stream, makes_a_writer_wait_for_room) {
    auto [near, far] = memory_stream_pair(16);
    const std::string text = numbers(100);
    auto writer = spawn([&] {
        near.write_all(text);
        near.shutdown_write();
    });
    this_fiber::yield();
    EXPECT_FALSE(writer.ready());
    EXPECT_EQ(read_to_end(far), text);
    writer.get();
}

TEST_F(memory_stream, keeps_a_deadline_and_goes_on) {
    auto [near, far] = memory_stream_pair(1);
    std::array<char, 1> buffer;
    EXPECT_THROW(near.read_some(buffer, 1h), ramie::timeout_expired);
    EXPECT_THROW(near.write_all("xy", 1h), ramie::timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 2h);
    EXPECT_EQ(far.read_some(buffer), 1U);
}

TEST_F(memory_stream, ends_when_the_peer_closes) {
    auto [near, far] = memory_stream_pair();
    far.write_all("last");
    far.close();
    EXPECT_FALSE(far.is_open());
    EXPECT_EQ(read_to_end(near), "last");
    std::array<char, 1> buffer;
    EXPECT_EQ(error_number_of([&] { near.read_exactly(buffer); }), ENODATA);
    EXPECT_EQ(error_number_of([&] { near.write_all("x"); }), EPIPE);
    EXPECT_EQ(error_number_of([&] { far.write_all("x"); }), EBADF);
}

TEST_F(memory_stream, wakes_who_waits_when_it_is_closed) {
    auto [near, far] = memory_stream_pair();
    auto reader = spawn([&near = near] {
        std::array<char, 1> buffer;
        return error_number_of([&] { near.read_some(buffer); });
    });
    this_fiber::yield();
    near.close();
    EXPECT_EQ(reader.get(), EBADF);
}

TEST_F(memory_stream, tells_the_peer_of_a_reset) {
    auto [near, far] = memory_stream_pair();
    near.write_all("lost");
    near.reset();
    std::array<char, 1> buffer;
    EXPECT_EQ(error_number_of([&] { far.read_some(buffer); }), ECONNRESET);
    EXPECT_EQ(error_number_of([&] { far.write_some("x"); }), ECONNRESET);
}

TEST_F(memory_stream, refuses_a_second_reader_and_the_first_goes_on) {
    auto [near, far] = memory_stream_pair();
    std::array<char, 1> buffer;
    auto first = spawn([&near = near, &buffer] { return near.read_some(buffer); });
    this_fiber::yield();
    std::array<char, 1> other;
    EXPECT_EQ(error_number_of([&] { near.read_some(other); }), EBUSY);
    far.write_all("x");
    EXPECT_EQ(first.get(), 1U);
}

TEST_F(stream_faults, lose_and_double_no_byte_when_they_only_delay) {
    const std::string text = numbers(500);
    for (std::uint64_t seed = 1; seed != 50; ++seed) {
        const fault_plan plan{
            .seed = seed, .short_transfers = 0.7, .delays = 0.1, .spurious_wakes = 0.3};
        auto [near, far] = memory_stream_pair(64);
        near.set_faults(plan);
        far.set_faults(plan);
        auto writer = spawn([&near = near, &text] {
            near.write_all(text);
            near.shutdown_write();
        });
        EXPECT_EQ(read_to_end(far), text);
        writer.get();
    }
    EXPECT_GT(clock_.elapsed(), 0s);
}

TEST_F(stream_faults, end_the_stream_at_a_byte) {
    auto [near, far] = memory_stream_pair();
    far.set_faults({.end_after = 10});
    near.write_all(numbers(100));
    EXPECT_EQ(read_to_end(far), numbers(100).substr(0, 10));
}

TEST_F(stream_faults, reset_the_stream_at_a_byte) {
    auto [near, far] = memory_stream_pair();
    far.set_faults({.reset_after = 10});
    near.write_all(numbers(100));
    std::array<char, 10> buffer;
    far.read_exactly(buffer);
    EXPECT_EQ(error_number_of([&] { far.read_some(buffer); }), ECONNRESET);
    EXPECT_EQ(error_number_of([&] { near.write_all("x"); }), ECONNRESET);
}

TEST_F(stream_faults, keep_to_a_deadline) {
    auto [near, far] = memory_stream_pair();
    far.set_faults({.delays = 1, .delay = 1h});
    near.write_all("x");
    std::array<char, 1> buffer;
    EXPECT_THROW(far.read_some(buffer, 1min), ramie::timeout_expired);
    EXPECT_EQ(clock_.elapsed(), 1min);
    EXPECT_EQ(far.read_some(buffer, 2h), 1U);
}

// A reader that times out takes no byte with it.
// Found: no waking of the writers in memory_pipe::try_read().
void hand_over(auto pause, std::size_t bytes) {
    auto [near, far] = memory_stream_pair(2);
    std::string seen;
    const auto reader = [&seen, &from = far](ramie::deadline until) {
        std::array<char, 1> buffer;
        try {
            while (const std::size_t n = from.read_some(buffer, until))
                seen.append(buffer.data(), n);
        } catch (const ramie::timeout_expired&) {
        }
    };
    auto first = spawn(reader, 1ms);
    const std::string text = numbers(100).substr(0, bytes);
    auto writer = spawn([&near = near, &text, &pause] {
        for (const char each : text) {
            near.write_all({&each, 1});
            pause();
        }
        near.shutdown_write();
    });
    first.get();
    reader(ramie::deadline::never());
    writer.get();
    require(seen == text, "every byte comes once, in order");
}

TEST_F(explored_memory_stream, loses_no_byte_under_many_seeds) {
    explore(2000, [] {
        ramie::testing::seeded_random random(ramie::testing::seed());
        hand_over(
            [&] {
                if (random.chance(0.3)) this_fiber::sleep_for(1ms);
            },
            12);
    });
}

TEST_F(explored_memory_stream, loses_no_byte_under_every_schedule) {
    EXPECT_GT(explore_all([] { hand_over(ramie::testing::preempt, 4); }), 10U);
}

// Found: one flag for both directions.
TEST_F(stream_faults, delay_each_direction_once) {
    ramie::testing::fault_source source({.seed = 1, .delays = 1});
    using outcome = ramie::testing::fault_source::outcome;
    EXPECT_EQ(source.next_read(1).what, outcome::waits);
    EXPECT_EQ(source.next_write(1).what, outcome::waits);
    EXPECT_EQ(source.next_read(1).what, outcome::moves);
    EXPECT_EQ(source.next_write(1).what, outcome::moves);
}

}  // namespace
