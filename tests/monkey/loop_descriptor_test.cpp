// What the loops themselves keep open, and those who close all that they find.

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "accept.hpp"
#include "ramie/async_result.hpp"
#include "support/forked.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

// The numbers of what is called so in /proc.
std::vector<int> open_numbers(const std::string& name) {
    std::vector<int> found;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code closed_meanwhile;
        if (std::filesystem::read_symlink(each.path(), closed_meanwhile) == name)
            found.push_back(std::stoi(each.path().filename()));
    }
    return found;
}
std::vector<int> rings() { return open_numbers("anon_inode:[io_uring]"); }
std::vector<int> sets() { return open_numbers("anon_inode:[eventpoll]"); }

void close_all() {
    for (int fd = 3; fd != 1'000; ++fd) ::close(fd);
}

void expect_accepts() {
    const int listener = open_listener(AF_INET, 8);
    const auto acceptor = ramie::spawn([=] { return ::accept(listener, nullptr, nullptr); });
    let_others_run();
    const address at = address_of(listener);
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(client, at.get(), at.length), 0);
    const int taken = acceptor.get();
    EXPECT_GE(taken, 0);
    for (const int fd : {listener, client, taken}) ::close(fd);
}

using loops_numbers = patched_test;

TEST_F(loops_numbers, outlive_a_close_of_all) {
    expect_accepts();
    close_all();
    expect_accepts();
}

TEST_F(loops_numbers, are_as_if_not_open) {
    ASSERT_FALSE(sets().empty());
    for (const auto& each : {sets(), rings()})
        for (const int fd : each) {
            EXPECT_EQ(::close(fd), -1);
            EXPECT_EQ(errno, EBADF);
            errno = 0;
            EXPECT_EQ(::dup2(0, fd), -1);
            EXPECT_EQ(errno, EBADF);
            errno = 0;
            EXPECT_EQ(::dup3(0, fd, O_CLOEXEC), -1);
            EXPECT_EQ(errno, EBADF);
        }
    expect_accepts();
}

TEST_F(loops_numbers, of_other_threads_are_spared) {
    for (void (*close)() : {close_all, +[] { ::closefrom(3); }}) {
        ramie::async_result<> started;
        ramie::async_result<>* closed = nullptr;
        std::thread other([&] {
            ramie::run([&] {
                ramie::async_result<> told;
                closed = &told;
                expect_accepts();
                started.set();
                told.get();
                expect_accepts();
            });
        });
        started.get();
        close();
        closed->set();
        other.join();
    }
}

TEST_F(loops_numbers, may_be_closed_by_a_child) {
    const auto inherited = sets();
    EXPECT_EQ(in_child([&] {
                  for (const int fd : inherited)
                      if (::fcntl(fd, F_GETFD) >= 0 && sets() == inherited) return 1;
                  close_all();
                  expect_accepts();
                  return 0;
              }),
              0);
}

// By a call that is not patched.
TEST(a_lost_epoll_set, ends_the_process_with_a_word) {
    EXPECT_EXIT(ramie::run([] {
                    for (const int fd : sets()) ::syscall(SYS_close, fd);
                    ramie::this_fiber::sleep_for(1ms);
                }),
                ::testing::KilledBySignal(SIGABRT), "descriptor [0-9]+.* was closed by somebody");
}

using a_lost_ring = patched_test;

TEST_F(a_lost_ring, is_made_anew) {
    if (rings().empty()) GTEST_SKIP() << "no io_uring";
    for (const int fd : rings()) ::syscall(SYS_close, fd);
    expect_accepts();
    EXPECT_EQ(rings().size(), 1U);
}

TEST_F(a_lost_ring, is_not_closed_again) {
    if (rings().empty()) GTEST_SKIP() << "no io_uring";
    const int number = rings().front();
    EXPECT_EQ(in_child([=] {
                  ::close(number);
                  const int log = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
                  if (log != number && ::dup2(log, number) != number) return 1;
                  expect_accepts();
                  return ::write(number, "x", 1) == 1 ? 0 : 2;
              }),
              0);
}

}  // namespace
