// A vforked child runs in its parent's memory with descriptors of its own: what it closes and takes
// over before it becomes another program is nothing to the parent's fibers.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

class vforked_child : public patched_test, public ::testing::WithParamInterface<channel> {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        patched_test::TearDown();
    }
    const ends ends_ = open_channel(GetParam());

    // A fiber reads from the descriptor while `in_child` plays.
    template <class F>
    void expect_undisturbed(F in_child) {
        const auto reader = ramie::spawn([this] {
            std::string bytes(3, '\0');
            for (char& each : bytes)
                if (::read(ends_.a, &each, 1) != 1) return std::string("failed");
            return bytes;
        });
        let_others_run();
        ASSERT_EQ(::write(ends_.b, "a", 1), 1);
        let_others_run();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        const pid_t child = ::vfork();
#pragma GCC diagnostic pop
        if (child == 0) {
            in_child();
            ::_exit(0);
        }
        let_others_run();
        EXPECT_FALSE(reader.ready());
        for (const char* byte : {"b", "c"}) {
            ASSERT_EQ(::write(ends_.b, byte, 1), 1);
            let_others_run();
        }
        EXPECT_EQ(reader.get(), "abc");
        EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    }
};

TEST_P(vforked_child, may_close_what_a_fiber_waits_for) {
    expect_undisturbed([this] { ::close(ends_.a); });
}

TEST_P(vforked_child, may_take_over_what_a_fiber_waits_for) {
    expect_undisturbed([this] {
        ::dup2(ends_.b, ends_.a);
        ::dup3(ends_.b, ends_.a, O_CLOEXEC);
    });
}

// What it makes gets the numbers that it has closed.
TEST_P(vforked_child, may_make_others_in_the_place_of_what_a_fiber_waits_for) {
    int (*const makers[])() = {
        [] { return ::open("/dev/null", O_RDONLY); },
        [] { return ::creat("/dev/null", 0600); },
        [] { return ::socket(AF_INET, SOCK_STREAM, 0); },
        [] { return ::eventfd(0, 0); },
        [] { return ::timerfd_create(CLOCK_MONOTONIC, 0); },
        [] { return ::epoll_create1(0); },
        [] {
            int fds[2];
            return ::pipe(fds) == 0 ? std::max(fds[0], fds[1]) : 1'000;
        },
        [] {
            int fds[2];
            return ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 ? std::max(fds[0], fds[1])
                                                                   : 1'000;
        },
    };
    expect_undisturbed([&] {
        for (const auto make : makers) {
            ::close(ends_.a);
            while (make() < ends_.a) continue;  // the lower ones are free
        }
    });
}

INSTANTIATE_TEST_SUITE_P(, vforked_child,
                         ::testing::Values(channel::tcp, channel::unix_stream, channel::pipe),
                         channel_name<::testing::TestParamInfo<channel>>);

}  // namespace
