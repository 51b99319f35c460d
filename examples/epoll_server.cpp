// An echo server on epoll: as poll_server.cpp, but the kernel keeps the list of those who are
// waited for.
//
//     epoll_server --port 7000 --report
//     epoll_server --port 7000 --edge           told only of what is new, so served until EAGAIN

#include <sys/epoll.h>

#include <vector>

#include "readiness_loop.hpp"

namespace {

class epoll_set {
  public:
    explicit epoll_set(bool edge) : edge_(edge) {
        if (set_ < 0) fail("epoll_create1");
    }
    epoll_set(const epoll_set&) = delete;
    epoll_set& operator=(const epoll_set&) = delete;
    ~epoll_set() { close(set_); }

    // By edge everything is awaited from the beginning: it is told once, whenever it comes.
    void add(int fd, short awaited) {
        control(EPOLL_CTL_ADD, fd, edge_ ? EPOLLIN | EPOLLOUT | EPOLLET : events_of(awaited));
    }
    void modify(int fd, short awaited) {
        if (!edge_) control(EPOLL_CTL_MOD, fd, events_of(awaited));
    }
    void remove(int fd) { control(EPOLL_CTL_DEL, fd, 0); }

    // By edge nobody else remembers what was left undone.
    void again(int fd) {
        if (edge_) unfinished_.push_back(fd);
    }

    const std::vector<readiness>& wait() {
        ready_.clear();
        for (const int fd : unfinished_) ready_.push_back({fd, false});
        unfinished_.clear();
        epoll_event events[256];
        const int count = epoll_wait(set_, events, std::size(events), ready_.empty() ? -1 : 0);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; ++i)
            ready_.push_back({events[i].data.fd, (events[i].events & (EPOLLERR | EPOLLHUP)) != 0});
        return ready_;
    }

  private:
    static unsigned events_of(short awaited) { return awaited == POLLIN ? EPOLLIN : EPOLLOUT; }

    void control(int operation, int fd, unsigned events) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        if (epoll_ctl(set_, operation, fd, &event) != 0) fail("epoll_ctl");
    }

    const int set_ = epoll_create1(EPOLL_CLOEXEC);
    const bool edge_;
    std::vector<int> unfinished_;
    std::vector<readiness> ready_;
};

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("An echo server on epoll");
    bool edge = false;
    app.add_flag("--edge", edge, "edge-triggered, not level-triggered");
    return run_echo_server(app, argc, argv, [&edge](echo_clients& clients) {
        epoll_set told_by(edge);
        return serve_readiness(told_by, clients);
    });
} catch (const std::exception& error) {
    return complain(error);
}
