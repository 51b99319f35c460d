// select and pselect.

#include <sys/select.h>

#include <cstring>

#include "pending_signals.hpp"
#include "probe.hpp"
#include "watching.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr wait_kind in_select{"select()", outside::kernel, nullptr, handler_ends::always};

// The three sets of a call. What was asked is kept: the kernel writes its answer over it.
class sets {
  public:
    sets(int count, fd_set* read, fd_set* write, fd_set* except) noexcept
        : count_(count), callers_{read, write, except} {}

    // False when the kernel would answer EFAULT.
    [[nodiscard]] bool may_be_read() const noexcept {
        for (const fd_set* each : callers_)
            if (each != nullptr && !detail::may_be_read(each, bytes())) return false;
        return true;
    }

    void take_question() noexcept {
        for (int i = 0; i != 3; ++i)
            if (callers_[i] != nullptr) std::memcpy(&asked_[i], callers_[i], bytes());
    }

    // The plain call, without waiting, on a copy of the question.
    int ask(const sigset_t* mask) noexcept {
        const auto ask = [&] {
            for (int i = 0; i != 3; ++i) answer_[i] = asked_[i];
            const timespec none{};
            return real::pselect(count_, answer(0), answer(1), answer(2), &none, mask);
        };
        if (mask == nullptr) return ask_undisturbed(ask);
        const signals_are_own own(mask);
        return ask();
    }

    // Of a call that failed the kernel gives none.
    void give_answer() noexcept {
        for (int i = 0; i != 3; ++i)
            if (callers_[i] != nullptr) std::memcpy(callers_[i], &answer_[i], bytes());
    }

    bool watch(watch_list& places) const noexcept {
        if (!places.reserve(2 * static_cast<std::size_t>(count_) + 1)) return false;
        for (int fd = 0; fd != count_; ++fd) {
            if (is_asked(0, fd) || is_asked(2, fd)) places.add(fd, direction::read);
            if (is_asked(1, fd)) places.add(fd, direction::write);
        }
        return true;
    }

  private:
    // The kernel reads and writes whole words.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return (static_cast<std::size_t>(count_) + NFDBITS - 1) / NFDBITS * sizeof(fd_mask);
    }
    [[nodiscard]] bool is_asked(int set, int fd) const noexcept {
        return callers_[set] != nullptr && FD_ISSET(fd, &asked_[set]);
    }
    fd_set* answer(int set) noexcept { return callers_[set] == nullptr ? nullptr : &answer_[set]; }

    int count_;
    fd_set* callers_[3];
    fd_set asked_[3] = {};
    fd_set answer_[3] = {};
};

int select_on_fiber(sets& asked, deadline until, const sigset_t* mask) noexcept {
    pending_signals opened;
    asked.take_question();
    int n = 0;
    const watched how = watch_until(
        in_select, &asked, until,
        [&](int closed) {
            n = closed >= 0 ? -1 : asked.ask(mask);
            if (closed >= 0) errno = EBADF;
            return n != 0;
        },
        [&](watch_list& places) {
            if (!asked.watch(places)) return false;
            opened.watch_opened(places, mask);
            return true;
        });
    take_turn();
    if (how == watched::failed) return -1;
    if (n >= 0) asked.give_answer();
    return n;
}

// A set has room for so many, whatever the number says: beyond it lies other memory of the caller.
bool is_too_large(int count) noexcept {
    if (count <= FD_SETSIZE) return false;
    errno = EINVAL;
    return true;
}

timeval time_left(deadline until) noexcept {
    const std::int64_t us = std::max<std::int64_t>(until.nanoseconds() - now_ns(), 0) / 1000;
    return {us / 1'000'000, us % 1'000'000};
}

int select_us(int count, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) noexcept {
    if (is_too_large(count)) return -1;
    sets asked(count, read, write, except);
    const bool is_refused = count < 0 || !asked.may_be_read() ||
                            (timeout != nullptr && (!may_be_read(timeout, sizeof *timeout) ||
                                                    timeout->tv_sec < 0 || timeout->tv_usec < 0));
    if (is_refused) return real::select(count, read, write, except, timeout);
    if (timeout == nullptr) return select_on_fiber(asked, deadline::never(), nullptr);
    const timespec duration{timeout->tv_sec + timeout->tv_usec / 1'000'000,
                            timeout->tv_usec % 1'000'000 * 1000};
    const deadline until = deadline_after(&duration);
    const int n = select_on_fiber(asked, until, nullptr);
    // As the kernel does it, and some programs count on.
    *timeout = time_left(until);
    return n;
}

int select_ns(int count, fd_set* read, fd_set* write, fd_set* except, const timespec* timeout,
              const sigset_t* mask) noexcept {
    if (is_too_large(count)) return -1;
    sets asked(count, read, write, except);
    const timespec none{};
    if (mask != nullptr && !may_be_read(mask, sizeof(unsigned long)))
        return real::pselect(count, read, write, except, &none, mask);
    if (count < 0 || !asked.may_be_read() ||
        (timeout != nullptr && (!may_be_read(timeout, sizeof *timeout) || !is_valid(*timeout))))
        return real::pselect(count, read, write, except, timeout, mask);
    return select_on_fiber(asked, deadline_after(timeout), mask);
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int select(int count, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) {
    return on_fiber(family::poll) ? select_us(count, read, write, except, timeout)
                                  : real::select(count, read, write, except, timeout);
}

[[gnu::alias("select")]] int __select(int count, fd_set* read, fd_set* write, fd_set* except,
                                      timeval* timeout);

int pselect(int count, fd_set* read, fd_set* write, fd_set* except, const timespec* timeout,
            const sigset_t* mask) {
    return on_fiber(family::poll) ? select_ns(count, read, write, except, timeout, mask)
                                  : real::pselect(count, read, write, except, timeout, mask);
}
}
