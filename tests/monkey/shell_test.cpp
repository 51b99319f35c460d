// system, popen and pclose: as libc's own do, without stopping the other fibers.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "ramie/timeout.hpp"
#include "support/patched_test.hpp"
#include "support/temporary.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace original = ramie::monkey::original;

using shell = patched_test;

std::string read_all(FILE* stream) {
    std::string all;
    for (int c = std::fgetc(stream); c != EOF; c = std::fgetc(stream)) all += static_cast<char>(c);
    return all;
}

TEST_F(shell, returns_what_the_plain_call_returns) {
    for (const char* const command :
         {"exit 0", "exit 3", "kill -9 $$", "exec /no/such/program 2>/dev/null", "", "test -t 7",
          "exit 256"}) {
        errno = 0;
        const int expected = original::system(command);
        EXPECT_EQ(::system(command), expected) << command;
    }
    EXPECT_EQ(::system(nullptr), original::system(nullptr));
}

// One opens a queue for reading, which waits until the other opens it for writing.
TEST_F(shell, lets_the_other_fibers_run) {
    const std::string fifo = temporary_name();
    must("mkfifo", ::mkfifo(fifo.c_str(), 0600));
    auto reader = ramie::spawn([&] { return ::system(("read word < " + fifo).c_str()); });
    auto writer = ramie::spawn([&] { return ::system(("echo word > " + fifo).c_str()); });
    EXPECT_EQ(reader.get(), 0);
    EXPECT_EQ(writer.get(), 0);
    ::unlink(fifo.c_str());
}

volatile std::sig_atomic_t interrupts = 0;
volatile std::sig_atomic_t ends = 0;

// What a command does to the process that waits for it.
struct signals_during {
    int status, interrupted, child_ends;
    bool handler_is_back, child_is_blocked;
    bool operator==(const signals_during&) const = default;
};

template <class Call>
signals_during signals_of(Call call) {
    interrupts = 0;
    ends = 0;
    struct sigaction handler {};
    struct sigaction of_interrupt {};
    struct sigaction of_child {};
    handler.sa_handler = [](int) { interrupts = interrupts + 1; };
    ::sigaction(SIGINT, &handler, &of_interrupt);
    handler.sa_handler = [](int) { ends = ends + 1; };
    ::sigaction(SIGCHLD, &handler, &of_child);
    signals_during seen{};
    seen.status = call("kill -INT $PPID; kill -QUIT $PPID; kill -INT $$");
    seen.interrupted = interrupts;
    seen.child_ends = ends;
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    seen.child_is_blocked = sigismember(&mask, SIGCHLD) == 1;
    ::sigaction(SIGCHLD, &of_child, nullptr);
    ::sigaction(SIGINT, &of_interrupt, &handler);
    seen.handler_is_back = handler.sa_handler != SIG_IGN && handler.sa_handler != SIG_DFL;
    return seen;
}

TEST_F(shell, treats_signals_as_the_plain_call_does) {
    const auto plain = signals_of([](const char* command) { return original::system(command); });
    const auto patched = signals_of([](const char* command) { return ::system(command); });
    EXPECT_EQ(plain, patched);
    EXPECT_EQ(patched.interrupted, 0);
    EXPECT_EQ(WTERMSIG(patched.status), SIGINT);
    EXPECT_TRUE(patched.handler_is_back);
    EXPECT_FALSE(patched.child_is_blocked);
}

bool ignores_interrupts() {
    struct sigaction action {};
    ::sigaction(SIGINT, nullptr, &action);
    return action.sa_handler == SIG_IGN;
}

// Of what is forked by another one while a command runs.
bool child_ignores_interrupts(const std::string& fifo) {
    while (!ignores_interrupts()) ramie::this_fiber::yield();
    const pid_t child = ::fork();
    if (child == 0) ::_exit(ignores_interrupts() ? 1 : 0);
    int status = 0;
    EXPECT_EQ(original::waitpid(child, &status, 0), child);
    ::close(must("open", original::open(fifo.c_str(), O_WRONLY)));  // the command ends
    return WEXITSTATUS(status) == 1;
}

TEST_F(shell, lets_others_fork_what_the_plain_call_lets_them_fork) {
    const std::string fifo = temporary_name();
    must("mkfifo", ::mkfifo(fifo.c_str(), 0600));
    const std::string command = "read word < " + fifo;
    std::thread plain([&] { original::system(command.c_str()); });
    const bool among_threads = child_ignores_interrupts(fifo);
    plain.join();
    auto patched = ramie::spawn([&] { ::system(command.c_str()); });
    EXPECT_EQ(child_ignores_interrupts(fifo), among_threads);
    patched.get();
    EXPECT_FALSE(ignores_interrupts());
    ::unlink(fifo.c_str());
}

TEST_F(shell, ends_the_command_of_a_fiber_that_is_killed) {
    int result = 0;
    int error = 0;
    auto waiting = ramie::spawn([&] {
        result = ::system("exec sleep 1000");
        error = errno;
    });
    let_others_run();
    waiting.kill();
    EXPECT_EQ(result, -1);
    EXPECT_EQ(error, ECANCELED);
    EXPECT_EQ(::wait(nullptr), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST_F(shell, reads_from_a_command) {
    for (FILE* (*open)(const char*, const char*) : {&original::popen, &::popen}) {
        FILE* const stream = open("echo one; echo two; exit 5", "r");
        ASSERT_NE(stream, nullptr);
        EXPECT_EQ(read_all(stream), "one\ntwo\n");
        EXPECT_EQ(WEXITSTATUS(::pclose(stream)), 5);
    }
}

TEST_F(shell, writes_to_a_command) {
    FILE* const stream = ::popen("read word; test \"$word\" = hello", "w");
    ASSERT_NE(stream, nullptr);
    EXPECT_GT(std::fputs("hello\n", stream), 0);
    EXPECT_EQ(::pclose(stream), 0);
}

TEST_F(shell, opens_streams_with_the_modes_of_libc) {
    for (const char* const mode : {"r", "w", "re", "er", "we", "rr"}) {
        std::array<int, 2> flags{};
        int i = 0;
        for (FILE* (*open)(const char*, const char*) : {&original::popen, &::popen}) {
            FILE* const stream = open("true", mode);
            ASSERT_NE(stream, nullptr) << mode;
            flags[static_cast<std::size_t>(i++)] = ::fcntl(fileno(stream), F_GETFD);
            EXPECT_EQ(::pclose(stream), 0);
        }
        EXPECT_EQ(flags[0], flags[1]) << mode;
    }
    for (const char* const mode : {"", "rw", "x", "r+", "e"}) {
        errno = 0;
        EXPECT_EQ(original::popen("true", mode), nullptr);
        const int expected = std::exchange(errno, 0);
        EXPECT_EQ(::popen("true", mode), nullptr) << mode;
        EXPECT_EQ(errno, expected) << mode;
    }
}

// While another stream is open, which is when fclose() looks for what it closes.
TEST_F(shell, refuses_a_command_that_is_too_long_as_the_plain_call_does) {
    const std::string command = "true " + std::string(200'000, 'x');
    std::array<int, 2> errors{};
    for (const bool is_plain : {true, false}) {
        const auto open = is_plain ? &original::popen : &::popen;
        FILE* const first = open("cat > /dev/null", "w");
        ASSERT_NE(first, nullptr);
        errno = 0;
        EXPECT_EQ(open(command.c_str(), "r"), nullptr);
        errors[is_plain ? 0 : 1] = errno;
        EXPECT_EQ((is_plain ? &original::pclose : &::pclose)(first), 0);
    }
    EXPECT_NE(errors[0], 0);
    EXPECT_EQ(errors[0], errors[1]);
}

// The second command would keep the first one's input open, which then would never end.
TEST_F(shell, closes_earlier_streams_in_a_command) {
    FILE* const first = ::popen("cat > /dev/null", "w");
    FILE* const second = ::popen("exec sleep 1000 > /dev/null", "w");
    ASSERT_NE(first, nullptr);
    ASSERT_NE(second, nullptr);
    FILE* const list = ::popen("ls /proc/self/fd", "r");
    const std::string numbers = "\n" + read_all(list);
    for (FILE* const each : {first, second})
        EXPECT_EQ(numbers.find("\n" + std::to_string(fileno(each)) + "\n"), std::string::npos);
    EXPECT_EQ(::pclose(list), 0);
    EXPECT_EQ(::pclose(first), 0);
    // It is a shell until it has become what it is to run.
    while (::system("pkill -KILL -P $PPID -x sleep") != 0) ramie::this_fiber::yield();
    EXPECT_TRUE(WIFSIGNALED(::pclose(second)));
}

TEST_F(shell, closes_a_stream_while_others_run) {
    FILE* const gate = ::popen("read word", "w");
    ASSERT_NE(gate, nullptr);
    int copy = must("dup", ::dup(fileno(gate)));
    auto closing = ramie::spawn([&] { return ::pclose(gate); });
    let_others_run();
    EXPECT_FALSE(closing.ready());
    EXPECT_EQ(::write(copy, "go\n", 3), 3);
    EXPECT_EQ(closing.get(), 0);
    ::close(copy);
}

// As libc's, which gives the command's status, too.
TEST_F(shell, closes_a_stream_by_fclose_like_any_other) {
    for (const char* const type : {"r", "w"}) {
        FILE* const plain = ramie::monkey::original::popen("exit 3", type);
        ASSERT_NE(plain, nullptr);
        const int expected = std::fclose(hidden(plain));
        FILE* const ours = ::popen("exit 3", type);
        ASSERT_NE(ours, nullptr);
        EXPECT_EQ(std::fclose(hidden(ours)), expected);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
        EXPECT_EQ(errno, ECHILD);
    }
}

TEST_F(shell, reaps_the_command_of_a_fiber_that_was_killed_in_pclose) {
    FILE* const stream = ::popen("echo $$; exec sleep 1000", "r");
    ASSERT_NE(stream, nullptr);
    std::array<char, 32> line{};
    ASSERT_NE(std::fgets(line.data(), line.size(), stream), nullptr);
    const pid_t command = std::atoi(line.data());
    int result = 0;
    int error = 0;
    auto closing = ramie::spawn([&] {
        result = ::pclose(stream);
        error = errno;
    });
    let_others_run();
    closing.kill();
    EXPECT_EQ(result, -1);
    EXPECT_EQ(error, ECANCELED);
    must("kill", ::kill(command, SIGKILL));
    while (::kill(command, 0) == 0) ramie::this_fiber::sleep_for(1ms);
    EXPECT_EQ(errno, ESRCH);
}

}  // namespace
