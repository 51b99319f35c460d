#include "poller.hpp"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <system_error>
#include <utility>

#include "ramie/detail/loop_descriptors.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

constexpr std::uint64_t wake_tag = ~std::uint64_t{0};
constexpr unsigned read_bit = static_cast<unsigned>(direction::read);
constexpr unsigned write_bit = static_cast<unsigned>(direction::write);

std::uint64_t tag(int fd, std::uint32_t generation) noexcept {
    return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

epoll_event registration(int fd, std::uint32_t generation, unsigned interest) noexcept {
    epoll_event event{};
    event.data.u64 = tag(fd, generation);
    event.events = EPOLLET;
    if ((interest & read_bit) != 0) event.events |= EPOLLIN | EPOLLRDHUP | EPOLLPRI;
    if ((interest & write_bit) != 0) event.events |= EPOLLOUT;
    return event;
}

// Rounded up: a timer must not be late by a spin, nor early.
int milliseconds_of(std::int64_t ns) noexcept {
    constexpr std::int64_t longest = 1'000'000'000;
    return ns < 0 ? -1 : static_cast<int>(std::min((ns + 999'999) / 1'000'000, longest));
}

int wait_for_events(int epoll_fd, epoll_event* events, int capacity, std::int64_t ns) noexcept {
    if (ns <= 0) return epoll_wait(epoll_fd, events, capacity, ns < 0 ? -1 : 0);
    static bool has_pwait2 = true;  // Linux 5.11; a race between threads only asks twice
    if (has_pwait2) {
        const timespec limit{ns / 1'000'000'000, ns % 1'000'000'000};
        const int n = epoll_pwait2(epoll_fd, events, capacity, &limit, nullptr);
        if (n >= 0 || errno != ENOSYS) return n;
        has_pwait2 = false;
    }
    return epoll_wait(epoll_fd, events, capacity, milliseconds_of(ns));
}

// Patched calls do not close it. To go on would be to spin while every fiber waits for ever.
[[noreturn, gnu::cold]] void report_lost_set(int epoll_fd) noexcept {
    std::fprintf(stderr,
                 "ramie: descriptor %d, with which the loop waits for all others, was closed by "
                 "somebody else (with a system call that is not patched); no fiber would ever be "
                 "woken again\n",
                 epoll_fd);
    std::abort();
}

}  // namespace

poller::poller(int wake_fd) { make_set(wake_fd); }

void poller::make_set(int wake_fd) {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    epoll_event wake_event{};
    wake_event.events = EPOLLIN;
    wake_event.data.u64 = wake_tag;
    if (epoll_fd_ < 0 || epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd, &wake_event) != 0) {
        const int reason = errno;
        close_set();
        throw std::system_error(reason, std::generic_category(), "ramie: epoll of a scheduler");
    }
    keep_descriptor(epoll_fd_);
    changed_.skip();
}

void poller::close_set() noexcept {
    if (epoll_fd_ < 0) return;
    give_up_descriptor(epoll_fd_);
    syscall(SYS_close, std::exchange(epoll_fd_, -1));
}

poller::~poller() { leave_set(); }

void poller::leave_set() noexcept {
    current_table = {};
    for (descriptor* const chunk : chunks_) delete[] chunk;
    chunks_.clear();
    close_set();
}

// Only registered descriptors have events, so they have an entry.
inline descriptor& poller::registered(const epoll_event& event) const noexcept {
    const auto fd = static_cast<std::uint32_t>(event.data.u64);
    return chunks_.data()[fd / descriptor_table::chunk_size][fd % descriptor_table::chunk_size];
}

inline void poller::prefetch(const epoll_event& event) const noexcept {
    if (event.data.u64 != wake_tag) __builtin_prefetch(&registered(event));
}

inline void poller::dispatch(const epoll_event& event, scheduler& mine) noexcept {
    if (event.data.u64 == wake_tag) [[unlikely]]
        return;  // the mailbox is emptied by the loop
    descriptor& d = registered(event);
    // An event of a file that has lost this number.
    if (d.generation != event.data.u64 >> 32) [[unlikely]]
        return;

    constexpr std::uint32_t end_events = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
    const std::uint32_t events = event.events;
    if ((events & (EPOLLIN | end_events)) != 0) {
        d.ready |= read_bit;
        mine.wake_one(d.readers);
    }
    if (events == EPOLLIN) [[likely]]
        return;
    if ((events & end_events) != 0) d.ended = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        d.ready |= write_bit;
        mine.wake_one(d.writers);
    }
}

void poller::poll(std::int64_t timeout_ns) noexcept {
    // As many as fit in a few cache lines' worth of work; what is left comes with the next poll.
    std::array<epoll_event, 512> events;
    ++polls_;
    const int n =
        wait_for_events(epoll_fd_, events.data(), static_cast<int>(events.size()), timeout_ns);
    if (n < 0 && (errno == EBADF || errno == EINVAL)) [[unlikely]]
        report_lost_set(epoll_fd_);
    scheduler& mine = *current_scheduler;
    const epoll_event* const end = events.data() + std::max(n, 0);
    // A few descriptors are in the cache anyway; of many, those behind are fetched meanwhile.
    constexpr int many = 128;
    constexpr int ahead = 4;
    const epoll_event* const prefetch_end = n < many ? events.data() : end - ahead;
    for (const epoll_event* event = events.data(); event != end; ++event) {
        if (event < prefetch_end) prefetch(event[ahead]);
        dispatch(*event, mine);
    }
}

descriptor* poller::existing(int fd) noexcept {
    const std::size_t index = static_cast<unsigned>(fd) / descriptor_table::chunk_size;
    if (index >= chunks_.size() || chunks_[index] == nullptr) return nullptr;
    return chunks_[index] + static_cast<unsigned>(fd) % descriptor_table::chunk_size;
}

descriptor* poller::find(int fd) noexcept {
    const descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr) {
        errno = EBADF;
        return nullptr;
    }
    descriptor* d = existing(fd);
    if (d == nullptr) [[unlikely]] {
        if (!make_chunk(static_cast<unsigned>(fd) / descriptor_table::chunk_size)) return nullptr;
        d = existing(fd);
    }
    const auto generation = facts->generation.load(std::memory_order_relaxed);
    if (d->generation != generation) reset(*d, fd, generation);
    return d;
}

bool poller::make_chunk(std::size_t index) noexcept {
    constexpr std::size_t size = descriptor_table::chunk_size;
    try {
        if (index >= chunks_.size()) chunks_.resize(index + 1);
        current_table = {chunks_.data(), chunks_.size()};
        auto* const made = new descriptor[size];
        descriptor_facts* facts = facts_of(static_cast<int>(index * size));
        for (std::size_t i = 0; i != size; ++i) made[i].facts = facts++;
        chunks_[index] = made;
        return true;
    } catch (const std::bad_alloc&) {
        errno = ENOMEM;
        return false;
    }
}

void poller::reset(descriptor& d, int fd, std::uint32_t generation) noexcept {
    if (d.interest != 0) facts_of(fd)->watchers.fetch_sub(1);
    d.generation = generation;
    d.ready = read_bit | write_bit;
    d.interest = 0;
    d.ended = false;
    // Closed behind our back: whoever waits would wait for ever.
    d.readers.wake_all(wake::closed);
    d.writers.wake_all(wake::closed);
}

bool poller::register_interest(descriptor& d, int fd, direction dir) noexcept {
    const unsigned bit = static_cast<unsigned>(dir);
    const unsigned wanted = d.interest | bit;
    // From here on who closes the number tells of it.
    if (d.interest == 0) d.facts->watchers.fetch_add(1);
    epoll_event event = registration(fd, d.generation, wanted);
    const int first = d.interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(epoll_fd_, first, fd, &event) != 0) {
        // The number was closed and reused unseen, or this file is registered under it already.
        const int second = first == EPOLL_CTL_MOD ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if ((errno != ENOENT && errno != EEXIST) || epoll_ctl(epoll_fd_, second, fd, &event) != 0) {
            if (d.interest == 0) d.facts->watchers.fetch_sub(1);
            return false;
        }
    }
    d.interest = static_cast<std::uint8_t>(wanted);
    // And who closed it before, or is about to, did not: a signal handler, or another thread.
    if (d.facts->generation.load() == d.generation && !d.facts->is_closing.load()) [[likely]]
        return true;
    errno = EBADF;
    return false;
}

bool poller::is_watched_file(const descriptor& d, int fd) noexcept {
    if (d.interest == 0) return true;
    epoll_event event = registration(fd, d.generation, d.interest);
    return epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0 || errno != ENOENT;
}

void poller::forget(int fd) noexcept {
    descriptor* const d = existing(fd);
    if (d == nullptr) return;
    if (d->interest != 0) take_out(fd);
    reset(*d, fd, d->generation);
}

// Explicitly: the kernel removes it only with the last copy of the open file, and a child process
// may hold one.
void poller::take_out(int fd) noexcept { epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); }

void poller::wake_waiters(descriptor& d, int fd) noexcept {
    const std::uint32_t generation = d.facts->generation.load();
    if (d.generation != generation) return reset(d, fd, generation);
    d.ready = read_bit | write_bit;
    d.readers.wake_all();
    d.writers.wake_all();
}

bool poller::wake_waiters(int fd) noexcept {
    descriptor* const d = existing(fd);
    if (d != nullptr) wake_waiters(*d, fd);
    return d != nullptr && d->interest != 0;
}

[[gnu::cold]] void poller::look_at_changed() noexcept {
    while (!changed_.empty()) {
        const int fd = changed_.take();
        if (fd < 0)
            look_at_all();
        else
            wake_waiters(fd);
    }
}

void poller::look_at_all() noexcept {
    constexpr std::size_t size = descriptor_table::chunk_size;
    for (std::size_t i = 0; i != chunks_.size() * size; ++i) {
        descriptor* const d = existing(static_cast<int>(i));
        if (d != nullptr && d->interest != 0) wake_waiters(*d, static_cast<int>(i));
    }
}

}  // namespace ramie::detail
