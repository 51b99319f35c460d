// What a child made by fork() leaves alone.

#include <unistd.h>

#include <utility>

#include "ramie/async_result.hpp"
#include "ramie/event.hpp"
#include "ramie/post.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"
#include "support/forked.hpp"

namespace {

using namespace std::chrono_literals;
using forked_child = ramie::test::fiber_test;
using ramie::spawn;
using ramie::test::expect_quiet;
using ramie::test::in_child;
namespace this_fiber = ramie::this_fiber;

TEST_F(forked_child, that_closes_a_watched_descriptor_does_not_wake_its_parent) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    EXPECT_FALSE(ramie::wait_readable(ends[0], 1ms));
    auto child = spawn([&] {
        return in_child([&] {
            ramie::forget_descriptor(ends[0]);
            return ::close(ends[0]);
        });
    });
    EXPECT_EQ(child.get(), 0);
    expect_quiet();
    // The parent's own watch is still there.
    auto reader = spawn([&] { return ramie::wait_readable(ends[0], 10s); });
    this_fiber::yield();
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
    EXPECT_TRUE(reader.get());
    for (const int end : ends) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

TEST_F(forked_child, cannot_post_to_its_parent) {
    const auto parent = ramie::this_scheduler();
    ramie::async_result<int> result;
    EXPECT_EQ(in_child([&] {
                  const auto copy = parent;
                  result.set(1);
                  return copy.post([] {}) ? 1 : 0;
              }),
              0);
    expect_quiet();
    EXPECT_FALSE(result.ready());
    EXPECT_TRUE(parent.post([&] { result.set(2); }));
    EXPECT_EQ(result.get(), 2);
}

TEST_F(forked_child, has_a_scheduler_of_its_own) {
    bool started = false;
    auto of_parent = spawn([&] { started = true; });
    EXPECT_EQ(in_child([&] {
                  ramie::event posted;
                  return ramie::run([&] {
                      ramie::this_scheduler().post([&] { posted.set(); });
                      return posted.wait(10s) && !started ? 7 : 1;
                  });
              }),
              7);
    EXPECT_FALSE(started);
    of_parent.join();
    EXPECT_TRUE(started);
}

}  // namespace
