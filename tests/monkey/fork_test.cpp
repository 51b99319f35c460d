// Patched calls in a child that a fiber forked, while its parent's connections are busy.

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

class forking : public patched_test {
  protected:
    // Sends back what comes, until the end.
    static void echo(int fd) {
        std::array<char, 64> bytes{};
        for (ssize_t n; (n = ::read(fd, bytes.data(), bytes.size())) > 0;)
            if (::write(fd, bytes.data(), static_cast<std::size_t>(n)) != n) break;
        ::close(fd);
    }

    static bool is_echoed(int fd) {
        char byte = 'e';
        return ::write(fd, &byte, 1) == 1 && ::read(fd, &byte, 1) == 1 && byte == 'e';
    }

    // A server and a client of its own, with a patched accept.
    static bool serves_itself() {
        const int listener = open_listener(AF_INET, 8, 0);
        address at;
        must("getsockname", ::getsockname(listener, at.get(), &at.length));
        auto server = ramie::spawn([&] { echo(::accept(listener, nullptr, nullptr)); });
        const int client = must("socket", ::socket(AF_INET, SOCK_STREAM, 0));
        if (::connect(client, at.get(), at.length) != 0) return false;
        for (int i = 0; i != 5; ++i)
            if (!is_echoed(client)) return false;
        ::close(client);
        server.join();
        return true;
    }
};

TEST_F(forking, under_load_disturbs_nobody) {
    constexpr int connections = 20;
    constexpr int children = 20;
    std::vector<ramie::fiber<>> fibers;
    std::vector<int> rounds(connections, 0);
    bool stop = false;
    for (std::size_t i = 0; i != connections; ++i) {
        const ends tcp = open_channel(channel::tcp);
        fibers.push_back(ramie::spawn([fd = tcp.a] { echo(fd); }));
        fibers.push_back(ramie::spawn([&, i, fd = tcp.b] {
            while (!stop && is_echoed(fd)) ++rounds[i];
            ::shutdown(fd, SHUT_RDWR);
            ::close(fd);
        }));
    }
    std::vector<ramie::fiber<int>> forked;
    for (int i = 0; i != children; ++i)
        forked.push_back(ramie::spawn([] {
            const pid_t child = must("fork", ::fork());
            if (child == 0) ::_exit(serves_itself() ? 7 : 1);
            int status = 0;
            EXPECT_EQ(::waitpid(child, &status, 0), child);
            return WEXITSTATUS(status);
        }));
    for (auto& each : forked) EXPECT_EQ(each.get(), 7);
    const std::vector<int> before = rounds;
    for (std::size_t i = 0; i != connections; ++i)
        while (rounds[i] == before[i]) ramie::this_fiber::yield();
    stop = true;
    ramie::join_all(fibers);
}

TEST_F(forking, leaves_a_child_its_plain_ways_to_end) {
    for (const bool at_once : {true, false}) {
        pid_t child = -1;
        ramie::spawn([&] {
            child = must("fork", ::fork());
            if (child != 0) return;
            if (at_once) ::_exit(3);
            ::execl("/bin/sh", "sh", "-c", "exit 3", nullptr);
        }).join();
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(WEXITSTATUS(status), 3);
    }
}

// In the child nobody waits for it but who came there.
TEST_F(forking, forgets_who_waited_for_a_lock_in_the_parent) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    ::pthread_mutex_lock(&mutex);
    auto waiting = ramie::spawn([&] { ::pthread_mutex_lock(&mutex); });
    let_others_run();
    const pid_t child = must("fork", ::fork());
    if (child == 0) {
        auto of_child = ramie::spawn([&] { return ::pthread_mutex_lock(&mutex); });
        let_others_run();
        ::pthread_mutex_unlock(&mutex);
        ::_exit(of_child.get() == 0 ? 7 : 1);
    }
    ::pthread_mutex_unlock(&mutex);
    waiting.join();
    ::pthread_mutex_unlock(&mutex);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 7);
}

}  // namespace
