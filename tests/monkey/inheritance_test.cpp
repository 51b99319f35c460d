// What others see of a descriptor on which fibers wait: its mode is its owner's.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "support/patched_test.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;

// What a program says that inherited `fd`: the flags of the open file, in octal.
int flags_in_a_child(int fd) {
    std::array<int, 2> out{};
    must("pipe", ::pipe2(out.data(), O_CLOEXEC));
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    const std::string file = "/proc/self/fdinfo/" + std::to_string(fd);
    std::string command = "cat";
    std::array<char*, 3> arguments{command.data(), const_cast<char*>(file.c_str()), nullptr};
    pid_t child = -1;
    EXPECT_EQ(::posix_spawnp(&child, "cat", &actions, nullptr, arguments.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    std::string all(1000, '\0');
    const ssize_t n = ::read(out[0], all.data(), all.size());
    ::close(out[0]);
    ::waitpid(child, nullptr, 0);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    const auto at = all.find("flags:");
    return at == all.npos ? -1 : std::stoi(all.substr(at + 6), nullptr, 8);
}

int flags_on_a_thread(int fd) {
    int flags = -1;
    std::thread([&] { flags = ::fcntl(fd, F_GETFL); }).join();
    return flags;
}

class what_is_waited_for : public patched_test,
                           public ::testing::WithParamInterface<waiting_call> {};

TEST_P(what_is_waited_for, is_blocking_to_everybody_else) {
    site s(GetParam());
    if (s.fd < 0) GTEST_SKIP() << "no descriptor";
    const auto waiting = ramie::spawn([&] { return outcome_of(GetParam(), s); });
    let_others_run();
    ASSERT_FALSE(waiting.ready());
    EXPECT_EQ(flags_on_a_thread(s.fd) & O_NONBLOCK, 0);
    const int in_child = flags_in_a_child(s.fd);
    EXPECT_GE(in_child, 0);
    EXPECT_EQ(in_child & O_NONBLOCK, 0);
    GetParam().end(s);
    EXPECT_EQ(waiting.get(), GetParam().error);
    EXPECT_EQ(flags_on_a_thread(s.fd) & O_NONBLOCK, 0);
}

TEST_P(what_is_waited_for, stays_non_blocking_when_its_owner_made_it_so) {
    site s(GetParam());
    if (s.fd < 0) GTEST_SKIP() << "no descriptor";
    must("fcntl", ::fcntl(s.fd, F_SETFL, ::fcntl(s.fd, F_GETFL) | O_NONBLOCK));
    if (GetParam().in_every_mode) GTEST_SKIP() << "waits in every mode";
    const int error = outcome_of(GetParam(), s);
    EXPECT_TRUE(error == EAGAIN || error == EINPROGRESS) << error;
    EXPECT_NE(flags_in_a_child(s.fd) & O_NONBLOCK, 0);
}

INSTANTIATE_TEST_SUITE_P(, what_is_waited_for, ::testing::ValuesIn(waiting_calls()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

}  // namespace
