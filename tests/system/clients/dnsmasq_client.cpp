// libc's resolver, asked by many fibers, with the real dnsmasq between it and a slow name server:
// all of it in name spaces of the program's own, so that PORT means nothing.
//
//     program SCENARIO 0 FIBERS DNSMASQ
//
// Ends with 77 where name spaces are not permitted.

#include <arpa/inet.h>
#include <netdb.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include "client.hpp"
#include "support/name_server.hpp"

namespace {

using client::require;
using namespace std::chrono_literals;

constexpr const char* its_address = "127.0.0.2";

std::string address_of(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &found))
        return gai_strerror(code);
    std::array<char, INET_ADDRSTRLEN> text{};
    ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_addr, text.data(),
                text.size());
    ::freeaddrinfo(found);
    return text.data();
}

// dnsmasq, which asks 127.0.0.1 and keeps no answer. It ends with this program, however that ends.
class server {
  public:
    explicit server(const char* file) {
        const std::string listen = std::string("--listen-address=") + its_address;
        const char* const command[] = {"setpriv",
                                       "--pdeathsig",
                                       "KILL",
                                       file,
                                       "--no-daemon",
                                       "--conf-file=/dev/null",
                                       "--no-resolv",
                                       "--no-hosts",
                                       "--cache-size=0",
                                       "--dns-forward-max=2000",
                                       "--bind-interfaces",
                                       listen.c_str(),
                                       "--server=127.0.0.1",
                                       nullptr};
        const int error = ::posix_spawnp(&pid_, command[0], nullptr, nullptr,
                                         const_cast<char* const*>(command), environ);
        require(error == 0, "setpriv cannot be started");
        while (address_of("host1.example.test") != "10.0.0.1") {
            require(::waitpid(pid_, nullptr, WNOHANG) == 0, "dnsmasq ended");
            ::usleep(10'000);
        }
    }
    ~server() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;

  private:
    pid_t pid_ = -1;
};

// Of this thread: not what others took from it.
std::chrono::nanoseconds cpu_time() {
    timespec spent{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

// Each fiber asks for another name, while one wants to run each millisecond.
void names(const client::arguments& given) {
    using steady = std::chrono::steady_clock;
    long ticks = 0;
    long right = 0;
    auto worst = 0ns;
    auto busiest = 0ns;
    auto worked = 0ns;
    const auto note_work = [&] {
        busiest = std::max(busiest, cpu_time() - worked);
        worked = cpu_time();
    };
    const auto ticker = ramie::spawn([&] {
        worked = cpu_time();
        for (auto last = steady::now();; ++ticks) {
            ramie::this_fiber::sleep_for(1ms);
            const auto now = steady::now();
            worst = std::max(worst, std::chrono::nanoseconds(now - last) - 1ms);
            last = now;
            note_work();
        }
    });
    client::in_fibers(given.fibers, [&](int i) {
        const std::string found = address_of("host" + std::to_string(i) + "x.example.test");
        right += found == "10.0.0." + std::to_string(i % 250) ? 1 : 0;
    });
    note_work();  // since the last tick: if it stopped ticking, this is all the rest
    ticker.kill();
    client::print("right", right);
    client::print("ticks", ticks);
    client::print("worst_us", worst / 1us);
    client::print("busiest_us", busiest / 1us);
}

}  // namespace

int main(int argc, char** argv) {
    const ramie::test::own_network network(its_address);
    if (!network.problem().empty() || argc < 5) {
        std::fprintf(stderr, "%s\n", network.problem().c_str());
        return 77;
    }
    ::setenv("RES_OPTIONS", "timeout:10", 1);  // a machine under load may take long
    try {
        const ramie::test::name_server upstream({.delay = 50ms});
        const server dnsmasq(argv[4]);
        return client::main(argc, argv, {{"names", &names}});
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
        return 1;
    }
}
