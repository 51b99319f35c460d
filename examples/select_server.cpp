// An echo server on select(), which waits for clients, for those who want to become some, and for
// the keyboard, and keeps a log.
//
//     select_server --port 7000 --log server.log
//
// A line that is typed is told to every client; Q ends the server. select() knows descriptors below
// FD_SETSIZE, 1,024: a client whose descriptor lies beyond is refused.

#include <sys/select.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

#include "echo_clients.hpp"

namespace {

class log_file {
  public:
    explicit log_file(const std::string& path) : file_(std::fopen(path.c_str(), "ae")) {
        if (file_ == nullptr) fail(path.c_str());
    }
    log_file(const log_file&) = delete;
    log_file& operator=(const log_file&) = delete;
    ~log_file() { std::fclose(file_); }

    // "2026-11-21 12:00:00.123 listening"
    void add(const std::string& what) {
        timespec now{};
        clock_gettime(CLOCK_REALTIME, &now);
        tm local{};
        localtime_r(&now.tv_sec, &local);
        char time[32];
        std::strftime(time, sizeof time, "%F %T", &local);
        std::fprintf(file_, "%s.%03ld %s\n", time, now.tv_nsec / 1'000'000, what.c_str());
        std::fflush(file_);
    }

  private:
    std::FILE* file_;
};

std::string name_of(int client) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(client, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return "somebody";
    return inet_ntoa(peer.sin_addr) + (":" + std::to_string(ntohs(peer.sin_port)));
}

class select_server {
  public:
    select_server(echo_clients& clients, log_file& log) : clients_(clients), log_(log) {
        FD_ZERO(&readers_);
        FD_ZERO(&writers_);
        FD_SET(clients.listener(), &readers_);
        FD_SET(STDIN_FILENO, &readers_);
        highest_ = clients.listener();
    }

    // Until Q is typed.
    void serve() {
        log_.add("listening");
        while (!is_over_) {
            fd_set readable = readers_;
            fd_set writable = writers_;
            if (select(highest_ + 1, &readable, &writable, nullptr, nullptr) < 0) fail("select");
            // Nobody is in it who was not asked for, so a number that is new by now is passed over.
            for (int fd = 0, end = highest_; fd <= end; ++fd)
                if (FD_ISSET(fd, &readable) || FD_ISSET(fd, &writable)) go_on(fd);
        }
        log_.add("over, with " + clients_.figures().substr(0, clients_.figures().find('\n')));
    }

  private:
    void go_on(int fd) {
        if (fd == STDIN_FILENO)
            read_keyboard();
        else if (fd == clients_.listener())
            accept_all();
        else
            serve_client(fd);
    }

    void accept_all() {
        for (int fd; (fd = clients_.accept()) >= 0;) {
            const std::string name = name_of(fd);
            if (fd >= FD_SETSIZE) {  // FD_SET would write beyond the set
                log_.add("refused " + name + ": select() knows no descriptor " +
                         std::to_string(fd));
                clients_.refuse(fd);
                continue;
            }
            log_.add("client " + std::to_string(fd) + " is " + name);
            FD_SET(fd, &readers_);
            highest_ = std::max(highest_, fd);
        }
    }

    void serve_client(int fd) {
        const progress last = clients_.go_on(fd);
        if (last == progress::ended || last == progress::broken) {
            log_.add("client " + std::to_string(fd) +
                     (last == progress::ended ? " has left" : " is lost"));
            clients_.close(fd, last);
            FD_CLR(fd, &readers_);
            FD_CLR(fd, &writers_);
        } else {
            await(fd);
        }
    }

    void await(int fd) {
        const bool reads = clients_.awaited(fd) == POLLIN;
        FD_CLR(fd, reads ? &writers_ : &readers_);
        FD_SET(fd, reads ? &readers_ : &writers_);
    }

    // With read(): a FILE would take several lines at once, and select() knows nothing of those
    // that wait in its buffer.
    void read_keyboard() {
        char buffer[1024];
        const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
        if (got <= 0) {
            log_.add("end of input");
            FD_CLR(STDIN_FILENO, &readers_);
            return;
        }
        typed_.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end; !is_over_ && (end = typed_.find('\n') + 1) != 0; typed_.erase(0, end))
            obey(typed_.substr(0, end));
    }

    void obey(const std::string& line) {
        log_.add("typed: " + line.substr(0, line.size() - 1));
        is_over_ = line == "Q\n";
        if (is_over_) return;
        for (int fd = 0; fd <= highest_; ++fd) {
            if (!clients_.contains(fd)) continue;
            clients_.tell(fd, line);
            await(fd);
        }
    }

    echo_clients& clients_;
    log_file& log_;
    fd_set readers_;
    fd_set writers_;
    int highest_;
    std::string typed_;
    bool is_over_ = false;
};

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("An echo server on select()");
    std::string path = "select_server.log";
    app.add_option("--log", path, "is appended to")->capture_default_str();
    return run_echo_server(app, argc, argv, [&path](echo_clients& clients) {
        if (clients.listener() >= FD_SETSIZE) {
            std::fprintf(stderr, "select() knows no descriptor %d\n", clients.listener());
            return 1;
        }
        log_file log(path);
        select_server(clients, log).serve();
        return 0;
    });
} catch (const std::exception& error) {
    return complain(error);
}
