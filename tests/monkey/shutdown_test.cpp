// shutdown() by somebody else than a fiber of the same loop, of a local socket that is full: the
// kernel sends no event then.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>

#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

int handlers_number = -1;
void shut_down_in_handler(int) { ::shutdown(handlers_number, SHUT_WR); }

struct somebody {
    const char* name;
    void (*shuts_down)(int fd);
};

class a_full_socket : public patched_test, public ::testing::WithParamInterface<somebody> {};

TEST_P(a_full_socket, is_shut_down_by_somebody_else) {
    const ends pair = open_channel(channel::unix_stream);
    fill(pair.a);
    const auto sender = ramie::spawn([&] {
        EXPECT_EQ(::send(pair.a, "x", 1, MSG_NOSIGNAL), -1);
        EXPECT_EQ(errno, EPIPE);
    });
    let_others_run();
    EXPECT_FALSE(sender.ready());
    GetParam().shuts_down(pair.a);
    sender.get();
    ::close(pair.a);
    ::close(pair.b);
}

INSTANTIATE_TEST_SUITE_P(
    , a_full_socket,
    ::testing::Values(
        somebody{"a_thread", [](int fd) { std::thread([fd] { ::shutdown(fd, SHUT_WR); }).join(); }},
        somebody{"the_loop",
                 [](int fd) { ramie::this_scheduler().post([fd] { ::shutdown(fd, SHUT_WR); }); }},
        somebody{"a_handler",
                 [](int fd) {
                     handlers_number = fd;
                     ::signal(SIGUSR1, &shut_down_in_handler);
                     ::raise(SIGUSR1);
                     ::signal(SIGUSR1, SIG_DFL);
                 }},
        somebody{"another_loop",
                 [](int fd) {
                     std::thread([fd] {
                         ramie::run([fd] { EXPECT_EQ(::shutdown(fd, SHUT_WR), 0); });
                     }).join();
                 }}),
    [](const auto& each) { return each.param.name; });

}  // namespace
