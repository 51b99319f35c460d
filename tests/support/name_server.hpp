#pragma once
// A name server for one test, with the files that make libc ask it, in name spaces of their own.
//
//     class names : private own_network, public patched_test {};
//     name_server server({.delay = 20ms});
//     getaddrinfo("host7.example.test", ...)       // 10.0.0.7
//
// It knows host<n>.example.test; alias<n> is another name of host<n>; many has five addresses;
// missing... does not exist; silent... is not answered; 10.0.0.<n> is host<n>.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace ramie::test {

// Before there is a second thread: a new network with a loopback, and /etc/resolv.conf, hosts and
// nsswitch.conf of the test's own.
class own_network {
  public:
    // libc asks again when it has waited for an answer that long.
    explicit own_network(const char* name_server = "127.0.0.1",
                         std::chrono::seconds patience = std::chrono::seconds(10));
    // Empty, or why there is none.
    [[nodiscard]] const std::string& problem() const { return problem_; }

  private:
    std::string problem_;
};

class name_server {
  public:
    struct options {
        std::chrono::milliseconds delay{0};
        bool is_held = false;  // answers only after let_go()
    };
    explicit name_server(options);
    ~name_server();
    name_server(const name_server&) = delete;
    name_server& operator=(const name_server&) = delete;

    // Between these it hears every question and answers none; then all of them.
    void hold() { is_held_ = true; }
    void let_go() { is_held_ = false; }

    // How often it was asked for the name, in a question of the type (1: A, 12: PTR, 28: AAAA).
    [[nodiscard]] int asked(const std::string& name, int type = 1);

  private:
    struct reply {
        std::chrono::steady_clock::time_point due;
        std::vector<unsigned char> bytes;
        std::vector<unsigned char> to;
    };
    void serve();
    void receive();
    [[nodiscard]] int send_due();

    options options_;
    int fd_ = -1;
    std::atomic<bool> stop_{false};
    std::atomic<bool> is_held_;
    std::mutex mutex_;
    std::map<std::pair<std::string, int>, int> asked_;
    std::deque<reply> pending_;
    std::thread thread_;
};

}  // namespace ramie::test
