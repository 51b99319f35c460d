// An echo server on poll(): one call waits for all clients, in a fiber beside others.
//
//     poll_server --port 7000 --report          a second fiber says how many clients there are
//     poll_server --port 7000 --plain           nothing is patched, and nothing else runs

#include <poll.h>

#include <unordered_map>
#include <vector>

#include "readiness_loop.hpp"

namespace {

class poll_set {
  public:
    void add(int fd, short awaited) {
        place_[fd] = asked_.size();
        asked_.push_back({fd, awaited, 0});
    }

    void modify(int fd, short awaited) { asked_[place_.at(fd)].events = awaited; }

    // The last one moves to the place that is free.
    void remove(int fd) {
        const std::size_t place = place_.at(fd);
        asked_[place] = asked_.back();
        place_[asked_[place].fd] = place;
        place_.erase(fd);
        asked_.pop_back();
    }

    void again(int) {}  // poll() tells it again

    const std::vector<readiness>& wait() {
        ready_.clear();
        if (poll(asked_.data(), asked_.size(), -1) < 0 && errno != EINTR) fail("poll");
        for (const pollfd& each : asked_)
            if (each.revents != 0)
                ready_.push_back({each.fd, (each.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0});
        return ready_;
    }

  private:
    std::vector<pollfd> asked_;
    std::unordered_map<int, std::size_t> place_;  // in it
    std::vector<readiness> ready_;
};

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("An echo server on poll()");
    return run_echo_server(app, argc, argv, [](echo_clients& clients) {
        poll_set told_by;
        return serve_readiness(told_by, clients);
    });
} catch (const std::exception& error) {
    return complain(error);
}
