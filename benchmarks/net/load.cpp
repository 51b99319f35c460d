// The one load generator: keeps many connections to an echo server busy from a single thread,
// checks every byte that comes back, and prints one line of JSON.
//
//     load --port 4000 --connections 1000 --size 64 --seconds 2 --warmup 0.5 --depth 1
//     load --port 4000 --connections 100 --requests 5000        a fixed amount, no warm-up
//     load --port 4000 --watch PID     also the server's CPU time in the measured window and its
//                                      memory once all connections are idle
//
// It is a closed loop: a connection sends its next request when an answer arrived, so latency is
// that of a server under full load. Exit status: 1 on any lost or wrong byte, 2 on bad usage.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <fstream>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "histogram.hpp"
#include "pattern.hpp"

namespace {

constexpr std::size_t chunk = pattern::limit;
constexpr int connecting_at_once = 64;
constexpr std::int64_t patience = 10'000'000'000;  // nanoseconds

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error{errno, std::generic_category(), what};
}

std::int64_t nanoseconds(clockid_t clock) {
    timespec time{};
    if (clock_gettime(clock, &time) != 0) fail("clock_gettime");
    return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

std::int64_t now() { return nanoseconds(CLOCK_MONOTONIC); }

struct options {
    std::uint16_t port = 0;
    std::size_t connections = 100;
    std::size_t size = 64;
    double seconds = 2;
    double warmup = 0.5;
    std::size_t depth = 1;
    std::uint64_t requests = 0;
    pid_t watch = 0;
};

options parse(std::span<char*> arguments) {
    std::map<std::string, double> values{{"--port", 0},     {"--connections", 100}, {"--size", 64},
                                         {"--seconds", 2},  {"--warmup", 0.5},      {"--depth", 1},
                                         {"--requests", 0}, {"--watch", 0}};
    for (std::size_t i = 1; i < arguments.size(); i += 2) {
        const auto value = values.find(arguments[i]);
        if (value == values.end() || i + 1 == arguments.size()) {
            throw std::invalid_argument{std::string{"what is "} + arguments[i] + "?"};
        }
        value->second = std::atof(arguments[i + 1]);
    }
    const auto whole = [&](const char* name) { return static_cast<std::size_t>(values.at(name)); };
    options result;
    result.port = static_cast<std::uint16_t>(whole("--port"));
    result.connections = whole("--connections");
    result.size = whole("--size");
    result.seconds = values.at("--seconds");
    result.warmup = values.at("--warmup");
    result.depth = whole("--depth");
    result.requests = whole("--requests");
    result.watch = static_cast<pid_t>(whole("--watch"));
    if (result.port == 0 || result.connections == 0 || result.size == 0 || result.depth == 0) {
        throw std::invalid_argument{"--port, --connections, --size and --depth must be positive"};
    }
    return result;
}

struct connection {
    int fd = -1;
    std::uint64_t wanted = 0;  // bytes of all requests made
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint64_t answered = 0;             // requests
    std::vector<std::int64_t> issued_at{};  // of the requests in flight, a ring
};

class load {
  public:
    explicit load(const options& wish)
        : options_{wish}, poller_{epoll_create1(EPOLL_CLOEXEC)}, connections_(wish.connections) {
        if (poller_ < 0) fail("epoll_create1");
    }

    // Every connection has one answer when this returns; few connect at a time, so that no
    // backlog overflows.
    void connect_all() {
        std::size_t opened = 0;
        keep_going_ = false;
        until([&] {
            while (opened < connections_.size() && opened < settled() + connecting_at_once) {
                open(connections_[opened++]);
            }
            return settled() == connections_.size();
        });
    }

    void fill_pipelines() {
        keep_going_ = true;
        issued_ = 0;
        for (auto& c : connections_) {
            if (c.fd < 0) continue;
            for (std::size_t i = 0; i < options_.depth && may_issue(); ++i) issue(c);
            flush(c);
        }
    }

    void serve_for(double seconds) {
        const std::int64_t end = now() + static_cast<std::int64_t>(seconds * 1e9);
        until([&] { return now() >= end; });
    }

    void serve_all() {
        until([&] { return in_flight_ == 0; });
    }

    void drain() {
        keep_going_ = false;
        serve_all();
    }

    void restart_measurement() { latencies_ = {}; }

    const histogram& latencies() const { return latencies_; }
    std::size_t errors() const { return errors_; }

  private:
    std::size_t settled() const { return greeted_ + errors_; }

    bool may_issue() const { return options_.requests == 0 || issued_ < options_.requests; }

    // A server that is silent for too long has lost something.
    template <typename Done>
    void until(Done done) {
        std::int64_t last_event = now();
        std::array<epoll_event, 1024> events;
        while (!done()) {
            const int count = epoll_wait(poller_, events.data(), events.size(), 100);
            if (count < 0 && errno != EINTR) fail("epoll_wait");
            if (count > 0) {
                for (const auto& event : std::span{events}.first(static_cast<std::size_t>(count))) {
                    on_event(connections_[event.data.u64]);
                }
                last_event = now();
            } else if (now() - last_event > patience) {
                throw std::runtime_error{std::to_string(in_flight_) + " answers are missing"};
            }
        }
    }

    void open(connection& c) {
        c.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
        if (c.fd < 0) fail("socket");
        const int on = 1;
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c.issued_at.resize(options_.depth);
        watch(EPOLL_CTL_ADD, c);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(options_.port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const auto* generic = reinterpret_cast<const sockaddr*>(&address);
        if (::connect(c.fd, generic, sizeof address) != 0 && errno != EINPROGRESS) {
            return give_up(c, std::strerror(errno));
        }
        // The greeting leaves when the socket turns writable, or finds out why connect failed.
        issue(c);
    }

    void watch(int operation, const connection& c) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.u64 = number_of(c);
        if (epoll_ctl(poller_, operation, c.fd, &event) != 0) fail("epoll_ctl");
    }

    void issue(connection& c) { issue(c, now()); }

    void issue(connection& c, std::int64_t time) {
        c.issued_at[(c.wanted / options_.size) % options_.depth] = time;
        c.wanted += options_.size;
        ++issued_;
        ++in_flight_;
    }

    void on_event(connection& c) {
        if (c.fd >= 0) flush(c);
        if (c.fd >= 0) receive(c);
    }

    void flush(connection& c) {
        while (c.sent < c.wanted) {
            const std::size_t size = std::min<std::uint64_t>(c.wanted - c.sent, chunk);
            const auto bytes = pattern_(number_of(c), c.sent, size);
            const ssize_t sent = send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno != EAGAIN) give_up(c, std::strerror(errno));
                return;
            }
            c.sent += static_cast<std::uint64_t>(sent);
        }
    }

    // A short read has emptied the socket: the next bytes bring an event of their own.
    void receive(connection& c) {
        std::array<char, chunk> buffer;
        const ssize_t received = recv(c.fd, buffer.data(), chunk, 0);
        if (received < 0 && errno == EAGAIN) return;
        if (received <= 0) {
            return give_up(c, received == 0 ? "closed by the server" : std::strerror(errno));
        }
        const auto size = static_cast<std::size_t>(received);
        const auto expected = pattern_(number_of(c), c.received, size);
        c.received += size;
        if (c.received > c.sent || std::memcmp(buffer.data(), expected.data(), size) != 0) {
            return give_up(c, "wrong bytes");
        }
        if (size == chunk) watch(EPOLL_CTL_MOD, c);
        take_answers(c);
    }

    void take_answers(connection& c) {
        const std::int64_t time = now();
        for (; c.received >= (c.answered + 1) * options_.size; ++c.answered) {
            latencies_.add(time - c.issued_at[c.answered % options_.depth]);
            --in_flight_;
            if (c.answered == 0) ++greeted_;
            if (keep_going_ && may_issue()) issue(c, time);
        }
        flush(c);
    }

    void give_up(connection& c, const char* why) {
        std::fprintf(stderr, "load: connection %zu: %s\n", number_of(c), why);
        ++errors_;
        if (c.answered > 0) --greeted_;
        in_flight_ -= c.wanted / options_.size - c.answered;
        close(c.fd);
        c.fd = -1;
    }

    std::size_t number_of(const connection& c) const {
        return static_cast<std::size_t>(&c - connections_.data());
    }

    const options options_;
    const int poller_;
    std::vector<connection> connections_;
    pattern pattern_;
    histogram latencies_;
    bool keep_going_ = false;
    std::uint64_t issued_ = 0;
    std::size_t in_flight_ = 0;
    std::size_t greeted_ = 0;
    std::size_t errors_ = 0;
};

// Totals at one moment, in nanoseconds.
struct usage {
    std::int64_t time = 0;
    std::int64_t server_cpu = 0;  // of all its threads
    std::int64_t waited = 0;      // server and load ready to run while others had their CPU

    usage operator-(const usage& earlier) const {
        return {time - earlier.time, server_cpu - earlier.server_cpu, waited - earlier.waited};
    }
};

std::int64_t cpu_time(pid_t process) {
    clockid_t clock{};
    errno = clock_getcpuclockid(process, &clock);
    if (errno != 0) fail("clock_getcpuclockid");
    return nanoseconds(clock);
}

std::int64_t waited(const std::string& process) {
    std::int64_t ran = 0;
    std::int64_t waited = 0;
    std::ifstream{"/proc/" + process + "/schedstat"} >> ran >> waited;
    return waited;
}

usage usage_with(pid_t server) {
    if (server == 0) return {now(), 0, 0};
    return {now(), cpu_time(server), waited(std::to_string(server)) + waited("self")};
}

// Counted page by page; the sums in /proc/PID/status may be off by hundreds of KiB.
long resident_kib(pid_t process) {
    std::ifstream rollup{"/proc/" + std::to_string(process) + "/smaps_rollup"};
    std::string line;
    while (std::getline(rollup, line)) {
        if (line.starts_with("Rss:")) return std::atol(line.c_str() + 4);
    }
    return 0;
}

void print_report(const histogram& latencies, const usage& used, pid_t server, std::size_t errors) {
    const auto requests = static_cast<double>(latencies.count());
    const auto time = static_cast<double>(used.time);
    std::printf("{\"requests\": %.0f, \"seconds\": %.6f, \"requests_per_second\": %.0f, ", requests,
                time / 1e9, requests / time * 1e9);
    for (const auto& [name, percent] :
         {std::pair{"p50", 50.0}, {"p90", 90.0}, {"p99", 99.0}, {"p999", 99.9}}) {
        std::printf("\"%s_us\": %.1f, ", name, latencies.percentile_us(percent));
    }
    if (server != 0) {
        std::printf("\"server_cpu_seconds\": %.6f, \"waited\": %.4f, \"server_rss_kib\": %ld, ",
                    static_cast<double>(used.server_cpu) / 1e9,
                    static_cast<double>(used.waited) / time, resident_kib(server));
    }
    std::printf("\"errors\": %zu}\n", errors);
}

int run(const options& wish) {
    load clients{wish};
    clients.connect_all();
    clients.fill_pipelines();
    if (wish.requests == 0) clients.serve_for(wish.warmup);
    clients.restart_measurement();
    const usage before = usage_with(wish.watch);
    wish.requests == 0 ? clients.serve_for(wish.seconds) : clients.serve_all();
    const usage used = usage_with(wish.watch) - before;
    const histogram latencies = clients.latencies();
    clients.drain();
    print_report(latencies, used, wish.watch, clients.errors());
    return clients.errors() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
    return run(parse({argv, static_cast<std::size_t>(argc)}));
} catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 2;
} catch (const std::exception& error) {
    std::fprintf(stderr, "load: %s\n", error.what());
    return 1;
}
