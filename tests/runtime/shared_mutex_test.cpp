#include "ramie/shared_mutex.hpp"

#include <mutex>
#include <shared_mutex>
#include <string>

#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using shared_mutex = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::error_of;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;

TEST_F(shared_mutex, lets_many_read_or_one_write) {
    ramie::shared_mutex m;
    {
        const std::shared_lock one(m);
        const std::shared_lock two(m);
        EXPECT_EQ(m.readers(), 2U);
        EXPECT_FALSE(m.try_lock());
        EXPECT_FALSE(m.try_lock_for(1s));
    }
    const std::unique_lock writing(m);
    auto other = spawn([&] {
        EXPECT_FALSE(m.try_lock_shared());
        EXPECT_FALSE(m.try_lock());
        EXPECT_FALSE(std::shared_lock(m, 1s).owns_lock());
    });
    other.join();
    EXPECT_EQ(clock_.elapsed(), 2s);
}

// r: a reader, w: a writer; a capital when it leaves.
TEST_F(shared_mutex, admits_in_order_of_arrival_readers_together) {
    ramie::shared_mutex m;
    std::string log;
    const auto reader = [&] {
        const std::shared_lock reading(m);
        log += 'r';
        this_fiber::sleep_for(1s);
        log += 'R';
    };
    const auto writer = [&] {
        const std::lock_guard writing(m);
        log += 'w';
        this_fiber::sleep_for(1s);
        log += 'W';
    };
    auto last = spawn(reader);
    for (const char kind : std::string("rwrrwwr"))
        last = kind == 'r' ? spawn(reader) : spawn(writer);
    last.join();
    EXPECT_EQ(log, "rrRRwWrrRRwWwWrR");
    let_others_run();
}

TEST_F(shared_mutex, does_not_starve_a_writer) {
    ramie::shared_mutex m;
    bool written = false;
    const auto read_for_ever = [&] {
        while (!written) {
            const std::shared_lock reading(m);
            this_fiber::sleep_for(2s);
        }
    };
    auto one = spawn(read_for_ever);
    auto two = spawn([&] {
        this_fiber::sleep_for(1s);
        read_for_ever();
    });
    this_fiber::sleep_for(1s);
    m.lock();
    written = true;
    m.unlock();
    one.join();
    two.join();
    EXPECT_LE(clock_.elapsed(), 6s);
}

TEST_F(shared_mutex, admits_the_readers_behind_a_writer_that_gives_up) {
    for (const bool by_kill : {false, true}) {
        ramie::shared_mutex m;
        m.lock_shared();
        auto writer = spawn([&] { EXPECT_FALSE(m.lock(1s)); });
        this_fiber::yield();
        auto reader = spawn([&] { const std::shared_lock reading(m); });
        this_fiber::yield();
        EXPECT_FALSE(reader.ready());
        if (by_kill) writer.kill();
        reader.join();
        m.unlock_shared();
        EXPECT_TRUE(m.try_lock());
        m.unlock();
    }
}

TEST_F(shared_mutex, that_was_handed_over_is_not_lost_by_a_kill) {
    ramie::shared_mutex m;
    m.lock();
    int got = 0;
    auto reader = spawn([&] {
        const std::shared_lock reading(m);
        ++got;
        this_fiber::yield();
        ++got;
    });
    this_fiber::yield();
    m.unlock();
    reader.try_kill();
    reader.join();
    EXPECT_EQ(got, 1);
    EXPECT_EQ(m.readers(), 0U);
}

TEST_F(shared_mutex, explains_misuse) {
    ramie::shared_mutex m;
    EXPECT_NE(error_of<std::logic_error>([&] { m.unlock(); }), "");
    EXPECT_NE(error_of<std::logic_error>([&] { m.unlock_shared(); }), "");
    m.lock();
    EXPECT_NE(error_of<ramie::deadlock_error>([&] { m.lock(); }), "");
    EXPECT_NE(error_of<ramie::deadlock_error>([&] { m.lock_shared(); }), "");
    auto other = spawn([&] { EXPECT_NE(error_of<std::logic_error>([&] { m.unlock(); }), ""); });
    other.join();
    m.unlock();
    m.lock_shared();
    const std::string text = error_of<ramie::deadlock_error>([&] { m.lock(); });
    EXPECT_NE(text.find("a shared_mutex held by 1 readers"), text.npos) << text;
    m.unlock_shared();
}

}  // namespace
