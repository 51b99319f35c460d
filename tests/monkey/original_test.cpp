// ramie::monkey::original: every plain call, on a patched fiber. None of them parks.

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>

#include "covered_calls.hpp"
#include "ramie/monkey/original_libc.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
namespace original = ramie::monkey::original;

class original_call : public patched_test {
  protected:
    // Another fiber that runs only if somebody parks.
    void SetUp() override {
        other_ = ramie::spawn([this] { ran_ = true; });
    }
    void TearDown() override {
        EXPECT_FALSE(ran_);
        other_.get();
        other_ = {};
        patched_test::TearDown();
    }

  private:
    bool ran_ = false;
    ramie::fiber<> other_;
};

TEST_F(original_call, makes_connections) {
    const int listener = original::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address at;
    at.length = sizeof in;
    EXPECT_EQ(original::bind(listener, reinterpret_cast<sockaddr*>(&in), sizeof in), 0);
    EXPECT_EQ(original::listen(listener, 8), 0);
    EXPECT_EQ(::getsockname(listener, at.get(), &at.length), 0);
    for (const bool with_flags : {false, true}) {
        const int fd = original::socket(AF_INET, SOCK_STREAM, 0);
        EXPECT_EQ(original::connect(fd, at.get(), at.length), 0);
        const int made = with_flags ? original::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)
                                    : original::accept(listener, nullptr, nullptr);
        EXPECT_GE(made, 0);
        const int on = 1;
        int got = 0;
        socklen_t length = sizeof got;
        EXPECT_EQ(original::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on), 0);
        EXPECT_EQ(original::getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &got, &length), 0);
        EXPECT_EQ(got, 1);
        EXPECT_EQ(original::shutdown(fd, SHUT_WR), 0);
        EXPECT_EQ(original::recv(made, &got, 1, 0), 0);
        for (const int each : {fd, made}) EXPECT_EQ(original::close(each), 0);
    }
    EXPECT_EQ(original::close(listener), 0);
}

TEST_F(original_call, moves_bytes) {
    int fds[2];
    ASSERT_EQ(original::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    char bytes[4] = "abc";
    iovec part{bytes, 3};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    EXPECT_EQ(original::send(fds[0], bytes, 3, 0), 3);
    EXPECT_EQ(original::sendto(fds[0], bytes, 3, 0, nullptr, 0), 3);
    EXPECT_EQ(original::sendmsg(fds[0], &message, 0), 3);
    EXPECT_EQ(original::write(fds[0], bytes, 3), 3);
    EXPECT_EQ(original::writev(fds[0], &part, 1), 3);
    EXPECT_EQ(original::recv(fds[1], bytes, 3, 0), 3);
    EXPECT_EQ(original::recvfrom(fds[1], bytes, 3, 0, nullptr, nullptr), 3);
    EXPECT_EQ(original::recvmsg(fds[1], &message, 0), 3);
    EXPECT_EQ(original::read(fds[1], bytes, 3), 3);
    EXPECT_EQ(original::readv(fds[1], &part, 1), 3);
    EXPECT_STREQ(bytes, "abc");
    pollfd readable{fds[1], POLLIN, 0};
    EXPECT_EQ(original::poll(&readable, 1, 5), 0);
    for (const int fd : fds) original::close(fd);
}

TEST_F(original_call, waits_with_the_whole_thread) {
    int fds[2];
    ASSERT_EQ(original::pipe2(fds, O_CLOEXEC), 0);
    const timespec time{0, 1'000'000};
    EXPECT_EQ(original::sleep(0), 0U);
    EXPECT_EQ(original::usleep(1'000), 0);
    EXPECT_EQ(original::nanosleep(&time, nullptr), 0);
    EXPECT_EQ(original::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr), 0);
    pollfd readable{fds[0], POLLIN, 0};
    EXPECT_EQ(original::poll(&readable, 1, 5), 0);
    for (const int fd : fds) original::close(fd);
}

TEST_F(original_call, names_and_sets_descriptors) {
    int fds[2];
    ASSERT_EQ(original::pipe(fds), 0);
    const int copy = original::dup(fds[0]);
    EXPECT_EQ(original::dup2(fds[0], 200), 200);
    EXPECT_EQ(original::dup3(fds[0], 201, O_CLOEXEC), 201);
    EXPECT_EQ(original::fcntl(201, F_GETFD, nullptr), FD_CLOEXEC);
    EXPECT_EQ(original::fcntl(copy, F_SETFL, reinterpret_cast<void*>(std::intptr_t{O_NONBLOCK})),
              0);
    char byte = 'x';
    EXPECT_EQ(original::read(fds[0], &byte, 1), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(original::write(fds[1], &byte, 1), 1);
    int left = 0;
    EXPECT_EQ(original::ioctl(fds[0], FIONREAD, &left), 0);
    EXPECT_EQ(left, 1);
    for (const int fd : {fds[0], fds[1], copy, 200, 201}) EXPECT_EQ(original::close(fd), 0);
}

// Each waits for what another fiber would do, or would make another one wait, if it were patched.
TEST_F(original_call, locks) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    EXPECT_EQ(original::pthread_mutex_lock(&mutex), 0);
    EXPECT_EQ(original::pthread_mutex_trylock(&mutex), EBUSY);
    const timespec past{1, 0};
    EXPECT_EQ(original::pthread_mutex_timedlock(&mutex, &past), ETIMEDOUT);
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    EXPECT_EQ(original::pthread_cond_timedwait(&condition, &mutex, &past), ETIMEDOUT);
    EXPECT_EQ(original::pthread_mutex_unlock(&mutex), 0);
    pthread_t thread{};
    ASSERT_EQ(pthread_create(
                  &thread, nullptr, [](void* value) { return value; }, &mutex),
              0);
    void* value = nullptr;
    EXPECT_EQ(original::pthread_join(thread, &value), 0);
    EXPECT_EQ(value, &mutex);
    EXPECT_EQ(original::syscall(SYS_getpid), ::getpid());
}

TEST_F(original_call, uses_streams_and_files) {
    int fds[2];
    ASSERT_EQ(original::pipe(fds), 0);
    FILE* const in = ::fdopen(fds[0], "r");
    FILE* const out = ::fdopen(fds[1], "w");
    EXPECT_EQ(original::fprintf(out, "%d %s\n", 12, "twelve"), 10);
    EXPECT_EQ(original::fputs("line\n", out), 1);
    EXPECT_EQ(original::fflush(out), 0);
    int number = 0;
    char text[20];
    EXPECT_EQ(original::fscanf(in, "%d%19s", &number, text), 2);
    EXPECT_EQ(number, 12);
    EXPECT_EQ(original::fgetc(in), '\n');
    EXPECT_EQ(original::fgets(text, 20, in), text);
    EXPECT_STREQ(text, "line\n");
    EXPECT_EQ(original::fclose(out), 0);
    EXPECT_EQ(original::fclose(in), 0);
    struct stat status {};
    EXPECT_EQ(original::stat("/proc/self/exe", &status), 0);
    EXPECT_GT(status.st_size, 0);
}

// Those that were left to libc, jumps, other names of one that is there, and one that libc calls
// deprecated.
constexpr std::string_view without_original[] = {"freeaddrinfo", "epoll_ctl",  "longjmp",
                                                 "siglongjmp",   "bsd_signal", "ssignal",
                                                 "sysv_signal",  "sigset"};

bool needs_original(std::string_view call) {
    return !call.starts_with('_') && !call.ends_with("64") &&
           std::ranges::find(without_original, call) == std::end(without_original);
}

std::string public_headers() {
    std::ostringstream all;
    for (const char* const name : {"original.hpp", "original_libc.hpp"})
        all << std::ifstream(std::string(RAMIE_MONKEY_HEADERS "/") + name).rdbuf();
    return all.str();
}

TEST(originals, are_there_for_every_patched_call) {
    const std::string text = public_headers();
    for (const auto& family : ramie::monkey::detail::covered_families) {
        std::istringstream calls{std::string(family.calls)};
        for (std::string call; calls >> call;) {
            if (!needs_original(call)) continue;
            std::string pattern = "\\b(";
            pattern.append(call)
                .append(R"(\(|RAMIE_ORIGINAL(_AS)?\()")
                .append(call)
                .append("[,)])");
            const std::regex declared(pattern);
            EXPECT_TRUE(std::regex_search(text, declared)) << call;
        }
    }
}

}  // namespace
