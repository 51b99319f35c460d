// ramie::monkey::original: every plain call, on a patched fiber. None of them parks.

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

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

}  // namespace
