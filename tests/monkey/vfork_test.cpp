// A vforked child runs in its parent's memory with descriptors of its own: what it closes and takes
// over before it becomes another program is nothing to the parent's fibers.

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "support/patched_test.hpp"
#include "support/temporary.hpp"

namespace {

using namespace ramie::test;

class vforked_child : public patched_test, public ::testing::WithParamInterface<channel> {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        patched_test::TearDown();
    }
    const ends ends_ = open_channel(GetParam());

    // Its parent goes on when it has ended.
    template <class F>
    [[gnu::noinline]] static pid_t start(F in_child) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        const pid_t child = ::vfork();
#pragma GCC diagnostic pop
        if (child == 0) {
            in_child();
            ::_exit(0);
        }
        return child;
    }

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
        const pid_t child = start(in_child);
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

// To the child both are a file; to the parent's fibers, which have not used them yet, what they
// were.
class used_by_a_vforked_child : public vforked_child {
  protected:
    static void use_as_file(int file, int fd) {
        ::dup2(file, fd);
        char byte = 'x';
        if (::write(fd, &byte, 1) != 1 || ::lseek(fd, 0, SEEK_SET) != 0) ::_exit(1);
        if (::read(fd, &byte, 1) != 1) ::_exit(2);
    }

    static void expect_waits(const ends& e) {
        std::string name;
        const int file = make_temporary_file(name);
        fill(e.b);
        const pid_t child = start([&] {
            use_as_file(file, e.a);
            use_as_file(file, e.b);
        });
        int status = -1;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
        ::close(file);
        ::unlink(name.c_str());

        const auto writer = ramie::spawn([&] { EXPECT_EQ(::write(e.b, "last", 4), 4); });
        let_others_run();
        EXPECT_FALSE(writer.ready());
        std::string all;
        const auto reader = ramie::spawn([&] {
            std::array<char, 5000> some{};
            while (!all.ends_with("last")) {
                const ssize_t n = ::read(e.a, some.data(), some.size());
                if (n <= 0) break;
                all.append(some.data(), static_cast<std::size_t>(n));
            }
            char byte = 0;
            EXPECT_EQ(::read(e.a, &byte, 1), 1);
            return byte;
        });
        writer.get();
        while (!all.ends_with("last")) let_others_run();
        let_others_run();
        EXPECT_FALSE(reader.ready());
        EXPECT_EQ(::write(e.b, "x", 1), 1);
        EXPECT_EQ(reader.get(), 'x');
    }
};

TEST_P(used_by_a_vforked_child, makes_fibers_wait_all_the_same) { expect_waits(ends_); }

// By other numbers, of which the table has nothing yet.
TEST_P(used_by_a_vforked_child, makes_fibers_wait_although_it_is_new_to_them) {
    const auto raw_copy = [](int fd) {
        return must("F_DUPFD", ::syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 300));
    };
    const ends unseen{raw_copy(ends_.a), raw_copy(ends_.b)};
    expect_waits(unseen);
    for (const int fd : {unseen.a, unseen.b}) ::close(fd);
}

constexpr channel over[] = {channel::tcp, channel::unix_stream, channel::pipe};
INSTANTIATE_TEST_SUITE_P(, vforked_child, ::testing::ValuesIn(over),
                         channel_name<::testing::TestParamInfo<channel>>);
INSTANTIATE_TEST_SUITE_P(, used_by_a_vforked_child, ::testing::ValuesIn(over),
                         channel_name<::testing::TestParamInfo<channel>>);

}  // namespace
