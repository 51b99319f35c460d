// Off fibers, and before the patch, every call is the plain one: it blocks its thread and leaves
// the descriptor as it is.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "ramie/event.hpp"
#include "ramie/monkey.hpp"
#include "support/fiber_test.hpp"
#include "support/kernel_oracle.hpp"
#include "support/waiting_calls.hpp"
#include "support/watchdog.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

pid_t this_thread() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

int flags_of(const site& s) { return s.fd < 0 ? 0 : ::fcntl(s.fd, F_GETFL); }

class a_plain_call : public fiber_test, public ::testing::WithParamInterface<waiting_call> {
  protected:
    void expect_plain_wait() { EXPECT_EQ(outcome_of(GetParam(), site_), GetParam().error); }

    // Sees from outside that `thread` is blocked in the kernel, and ends that.
    void end_when_blocked(pid_t thread) {
        while (!is_blocked_in(GetParam(), thread)) std::this_thread::yield();
        EXPECT_EQ(flags_of(site_), flags_);
        GetParam().end(site_);
    }

    void TearDown() override {
        site_.close();
        fiber_test::TearDown();
    }

    const watchdog dog_{20s};
    site site_{GetParam()};
    const int flags_ = flags_of(site_);
};

TEST_P(a_plain_call, blocks_the_thread_before_the_patch) {
    if (ramie::monkey::is_patched("recv")) GTEST_SKIP() << "another test has patched this process";
    int ticks = 0;
    const auto ticker = ramie::spawn([&] { ++ticks; });
    std::thread other([this, caller = this_thread()] { end_when_blocked(caller); });
    expect_plain_wait();
    EXPECT_EQ(ticks, 0);
    other.join();
    ticker.get();
}

TEST_P(a_plain_call, blocks_a_thread_without_fibers) {
    ramie::monkey::patch_all();
    std::atomic<pid_t> id{0};
    std::thread other([&] {
        id = this_thread();
        expect_plain_wait();
    });
    while (id == 0) std::this_thread::yield();
    end_when_blocked(id);
    other.join();
}

TEST_P(a_plain_call, blocks_the_loop) {
    ramie::monkey::patch_all();
    ramie::event done;
    int ticks = 0;
    std::thread other([this, caller = this_thread()] { end_when_blocked(caller); });
    ramie::this_scheduler().post([&] {
        const auto ticker = ramie::spawn([&] { ++ticks; });
        expect_plain_wait();
        EXPECT_EQ(ticks, 0);
        done.set();
    });
    done.wait();
    other.join();
    let_others_run();
    EXPECT_EQ(ticks, 1);
}

INSTANTIATE_TEST_SUITE_P(, a_plain_call, ::testing::ValuesIn(waiting_calls()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

// --- is_patched ------------------------------------------------------------------------------

constexpr const char* socket_calls[] = {
    "socket",     "socketpair", "accept",     "accept4",    "connect",       "recv",  "recvfrom",
    "recvmsg",    "send",       "sendto",     "sendmsg",    "read",          "readv", "write",
    "writev",     "close",      "fclose",     "shutdown",   "dup",           "dup2",  "dup3",
    "pipe",       "pipe2",      "fcntl",      "ioctl",      "setsockopt",    "bind",  "listen",
    "getsockopt", "fcntl64",    "__read_chk", "__recv_chk", "__recvfrom_chk"};
constexpr const char* sleep_calls[] = {"sleep", "usleep", "nanosleep", "clock_nanosleep"};
constexpr const char* poll_calls[] = {"poll",      "__poll_chk", "ppoll",        "__ppoll_chk",
                                      "select",    "pselect",    "epoll_create", "epoll_create1",
                                      "epoll_ctl", "epoll_wait", "epoll_pwait",  "epoll_pwait2"};
constexpr const char* signal_calls[] = {"pause",       "sigsuspend",   "sigwait",
                                        "sigwaitinfo", "sigtimedwait", "sigaction",
                                        "signal",      "siginterrupt", "siglongjmp"};

void expect_patched(std::span<const char* const> names, bool patched) {
    for (const char* name : names) EXPECT_EQ(ramie::monkey::is_patched(name), patched) << name;
}

TEST(is_patched, tells_of_each_family) {
    if (ramie::monkey::is_patched("recv")) GTEST_SKIP() << "another test has patched this process";
    expect_patched(socket_calls, false);
    expect_patched(sleep_calls, false);
    expect_patched(poll_calls, false);
    ramie::monkey::patch_sleep();
    expect_patched(sleep_calls, true);
    expect_patched(poll_calls, false);
    expect_patched(signal_calls, false);
    ramie::monkey::patch_all({.socket = false});
    expect_patched(poll_calls, true);
    expect_patched(signal_calls, true);
    expect_patched(socket_calls, false);
    ramie::monkey::patch_socket();
    ramie::monkey::patch_all();
    expect_patched(socket_calls, true);
    for (const char* name : {"waitpid", "system", "fork", "getaddrinfo", "res_query"})
        EXPECT_TRUE(ramie::monkey::is_patched(name)) << name;
    for (const char* name : {"", "reca", "recvv", "getservbyname"})
        EXPECT_FALSE(ramie::monkey::is_patched(name)) << name;
}

}  // namespace
