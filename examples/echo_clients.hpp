// The clients of an echo server that never waits for a single one of them: a table from descriptor
// to what is still to be sent. Who does not take his echo is not read from, so what is kept for him
// is bounded.
//
//     echo_clients clients(listen_on(7000));
//     for (int fd; (fd = clients.accept()) >= 0;)       // all that wait to be accepted
//         while (clients.go_on(fd) == progress::made) {}
//
// In plain libc calls; none of them waits, patched or not.

#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

#include "listening.hpp"

enum class progress {
    made,
    must_wait,  // the kernel has nothing to read, or no room: EAGAIN
    ended,      // by the client
    broken,
};

class echo_clients {
  public:
    explicit echo_clients(int listener) : listener_(listener) {
        if (fcntl(listener, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
    }
    echo_clients(const echo_clients&) = delete;
    echo_clients& operator=(const echo_clients&) = delete;

    int listener() const { return listener_; }
    std::size_t size() const { return unsent_.size(); }
    bool contains(int fd) const { return unsent_.contains(fd); }

    // The next new client, non-blocking; -1 when none waits.
    int accept() {
        for (;;) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0) {
                unsent_[fd];
                return fd;
            }
            if (errno == EAGAIN) return -1;
            const bool is_full = errno == EMFILE || errno == ENFILE;
            if (!(is_full ? turn_one_away() : survive_failed_accept())) return -1;
        }
    }

    // What has to happen before the client can be served on: POLLIN or POLLOUT.
    short awaited(int fd) const { return unsent_.at(fd).empty() ? POLLIN : POLLOUT; }

    // One step: reads, unless the echo of what was read before is to be sent first, and sends.
    progress go_on(int fd) {
        std::string& unsent = unsent_.at(fd);
        if (unsent.empty()) {
            char buffer[4096];
            const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
            if (got == 0) return progress::ended;
            if (got < 0) return why_not();
            unsent.assign(buffer, static_cast<std::size_t>(got));
        }
        const ssize_t sent = send(fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
        if (sent < 0) return why_not();
        unsent.erase(0, static_cast<std::size_t>(sent));
        sent_ += static_cast<std::size_t>(sent);
        return progress::made;
    }

    // Adds to what the client is sent; not for one who has long not taken anything.
    void tell(int fd, std::string_view text) {
        constexpr std::size_t most = 64 * 1024;
        std::string& unsent = unsent_.at(fd);
        if (unsent.size() + text.size() <= most) unsent += text;
    }

    void close(int fd, progress how) {
        if (how == progress::broken) ++broken_;
        unsent_.erase(fd);
        ::close(fd);
    }

    // Closes one that cannot be served, and says so to him.
    void refuse(int fd) {
        send(fd, refusal.data(), refusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        ++refused_;
        close(fd, progress::ended);
    }

    std::string figures() const {
        return std::to_string(size()) + " clients, " + std::to_string(sent_) + " bytes sent, " +
               std::to_string(broken_) + " broken, " + std::to_string(refused_) + " refused\n";
    }

  private:
    static constexpr std::string_view refusal = "the server is full\n";

    static progress why_not() { return errno == EAGAIN ? progress::must_wait : progress::broken; }

    // No descriptor is left for a client who waits. Left where he is he would keep the listener
    // readable for ever: he takes the spare one for a moment.
    bool turn_one_away() {
        ::close(spare_);
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) refuse(fd);
        spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd >= 0;
    }

    const int listener_;
    int spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
    std::unordered_map<int, std::string> unsent_;
    std::uint64_t sent_ = 0;
    std::size_t broken_ = 0;
    std::size_t refused_ = 0;
};

// A fiber beside the server: says how it is, when there is news, until it is killed.
inline void report(const echo_clients& clients, useconds_t period) {
    std::string last;
    while (usleep(period) == 0) {
        const std::string news = clients.figures();
        if (news != last && write(STDOUT_FILENO, news.data(), news.size()) < 0) break;
        last = news;
    }
}

// What main() does in all of these servers. `serve(clients)` returns the exit status, if ever.
template <class Serve>
int run_echo_server(CLI::App& app, int argc, char** argv, Serve serve) {
    std::uint16_t port = 0;
    bool plain = false;
    bool reports = false;
    app.add_option("--port", port, "0: one that is free")->capture_default_str();
    app.add_flag("--plain", plain, "leave the calls of libc as they are: no fiber runs beside");
    app.add_flag("--report", reports, "say how many clients there are, from a fiber of its own");
    CLI11_PARSE(app, argc, argv);

    if (!plain) ramie::monkey::patch_all();
    return ramie::run([&] {
        echo_clients clients(listen_on(port));
        const auto reporter = ramie::spawn([&] {
            if (reports) report(clients, 100'000);
        });
        const int status = serve(clients);
        reporter.kill();
        return status;
    });
}
