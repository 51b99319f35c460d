// What changes after calls have begun to take the short way on a descriptor (net/monkey/simple.hpp)
// is seen by the next one.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "ramie/deadline.hpp"
#include "support/forked.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

class short_way : public patched_test {
  protected:
    // Both ends have received and sent more than once.
    const ends tcp_ = [] {
        const ends made = open_channel(channel::tcp);
        for (int i = 0; i != 3; ++i) {
            char byte = 'x';
            must("send", ::send(made.a, &byte, 1, 0));
            must("recv", ::recv(made.b, &byte, 1, 0));
            must("write", ::write(made.b, &byte, 1));
            must("read", ::read(made.a, &byte, 1));
        }
        return made;
    }();
    void TearDown() override {
        ::close(tcp_.a);
        ::close(tcp_.b);
        patched_test::TearDown();
    }

    // A receive that finds nothing fails at once, or after a while, but does not wait for ever.
    void expect_eagain() const {
        char byte;
        EXPECT_EQ(::recv(tcp_.a, &byte, 1, 0), -1);
        EXPECT_EQ(errno, EAGAIN);
    }
    void expect_to_wait() const {
        const auto reader = ramie::spawn([this] {
            char byte = 0;
            EXPECT_EQ(::recv(tcp_.a, &byte, 1, 0), 1);
        });
        let_others_run();
        EXPECT_FALSE(reader.ready());
        must("send", ::send(tcp_.b, "y", 1, 0));
        reader.get();
    }
};

TEST_F(short_way, sees_a_mode_set_by_fcntl) {
    const int flags = ::fcntl(tcp_.a, F_GETFL);
    must("fcntl", ::fcntl(tcp_.a, F_SETFL, flags | O_NONBLOCK));
    expect_eagain();
    must("fcntl", ::fcntl(tcp_.a, F_SETFL, flags));
    expect_to_wait();
}

TEST_F(short_way, sees_a_mode_set_by_ioctl) {
    int on = 1;
    must("ioctl", ::ioctl(tcp_.a, FIONBIO, &on));
    expect_eagain();
}

TEST_F(short_way, sees_a_mode_set_through_a_copy) {
    const int copy = must("dup", ::dup(tcp_.a));
    must("fcntl", ::fcntl(copy, F_SETFL, ::fcntl(copy, F_GETFL) | O_NONBLOCK));
    expect_eagain();
    ::close(copy);
}

TEST_F(short_way, sees_a_mode_set_by_a_child) {
    EXPECT_EQ(in_child([this] {
                  return ::fcntl(tcp_.a, F_SETFL, ::fcntl(tcp_.a, F_GETFL) | O_NONBLOCK);
              }),
              0);
    expect_eagain();
}

TEST_F(short_way, sees_a_receive_timeout) {
    set_timeout(tcp_.a, SO_RCVTIMEO, 1000);
    expect_eagain();
    set_timeout(tcp_.a, SO_RCVTIMEO, 0);
    expect_to_wait();
}

TEST_F(short_way, sees_a_send_timeout) {
    set_size(tcp_.a, SO_SNDBUF, 4096);
    fill(tcp_.a);
    set_timeout(tcp_.a, SO_SNDTIMEO, 1000);
    EXPECT_EQ(::send(tcp_.a, "z", 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_F(short_way, sees_a_low_water_mark) {
    int mark = 4;
    must("setsockopt", ::setsockopt(tcp_.a, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
    const auto reader = ramie::spawn([&] {
        char bytes[10];
        EXPECT_EQ(::recv(tcp_.a, bytes, sizeof bytes, 0), 4);
    });
    let_others_run();
    must("send", ::send(tcp_.b, "abc", 3, 0));
    let_others_run();
    EXPECT_FALSE(reader.ready());
    must("send", ::send(tcp_.b, "d", 1, 0));
    reader.get();
}

TEST_F(short_way, ends_with_the_number) {
    const ends other = open_channel(channel::pipe);
    must("dup2", ::dup2(other.a, tcp_.a));
    must("write", ::write(other.b, "p", 1));
    char byte = 0;
    EXPECT_EQ(::read(tcp_.a, &byte, 1), 1);
    EXPECT_EQ(byte, 'p');
    ::close(other.a);
    ::close(other.b);
}

}  // namespace
