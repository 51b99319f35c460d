// The reactor: one edge-triggered epoll set that is told of a descriptor once a direction, and the
// table of what is known about each descriptor.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "changed_numbers.hpp"
#include "ramie/detail/descriptors.hpp"

struct epoll_event;

namespace ramie::detail {

class scheduler;

class poller {
  public:
    // `wake_fd` is watched for as long as the poller lives (level-triggered, wakes nobody).
    // Throws std::system_error.
    explicit poller(int wake_fd);
    ~poller();
    poller(const poller&) = delete;
    poller& operator=(const poller&) = delete;

    // In a forked child: gives up the parent's set, with all that was known of descriptors; then
    // makes one of its own. Throws std::system_error.
    void leave_set() noexcept;
    void make_set(int wake_fd);

    // Collects events and wakes who waits for them. Waits for at most `timeout_ns` (0: not at all,
    // negative: for ever).
    void poll(std::int64_t timeout_ns) noexcept;

    // The record of `fd`, reset if the number was closed or opened since; null with errno.
    descriptor* find(int fd) noexcept;

    // See the functions of the same names in descriptors.hpp.
    bool watch(descriptor& d, int fd, direction dir) noexcept {
        return (d.interest & static_cast<unsigned>(dir)) != 0 || register_interest(d, fd, dir);
    }
    void forget(int fd) noexcept;

    // The first half of that, before a close: no event of this file comes any more.
    // Async-signal-safe.
    void take_out(int fd) noexcept;

    // Wakes all who wait for `fd`: to look again, or with wake::closed. True when it is watched.
    bool wake_waiters(int fd) noexcept;

    // The same for each number that was told of elsewhere since the last call.
    void hear_of_changed() noexcept {
        if (!changed_.empty()) [[unlikely]]
            look_at_changed();
    }

    // False when `fd` is another file than the one that was watched: closed and reused unseen.
    bool is_watched_file(const descriptor&, int fd) noexcept;

    // The epoll set itself is readable when there is something to collect.
    [[nodiscard]] int descriptor_of_set() const noexcept { return epoll_fd_; }
    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }

  private:
    bool make_chunk(std::size_t index) noexcept;
    descriptor* existing(int fd) noexcept;
    [[nodiscard]] descriptor& registered(const epoll_event&) const noexcept;
    void prefetch(const epoll_event&) const noexcept;
    bool register_interest(descriptor&, int fd, direction) noexcept;
    void close_set() noexcept;
    void look_at_changed() noexcept;
    void look_at_all() noexcept;
    static void wake_waiters(descriptor&, int fd) noexcept;
    void dispatch(const epoll_event&, scheduler&) noexcept;
    static void reset(descriptor&, int fd, std::uint32_t generation) noexcept;

    int epoll_fd_ = -1;
    std::uint64_t polls_ = 0;
    std::vector<descriptor*> chunks_;
    changed_numbers changed_;
};

}  // namespace ramie::detail
