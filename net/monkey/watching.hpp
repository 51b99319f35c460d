// Waiting for many descriptors at once, as poll, select and epoll_wait do: the calling fiber stands
// in the queue of each, and asks the kernel what it saw when one of them wakes it.
#pragma once

#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include "calls.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/handled_signals.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

// The places of one fiber in the queues of many descriptors.
class watch_list {
  public:
    // Room for so many. False, with errno, when memory is short.
    bool reserve(std::size_t places) noexcept;

    // From now on an event of this direction wakes the fiber; errors and hang-ups come with
    // readability.
    void add(int fd, direction) noexcept;

    // The same for another queue.
    void add(wait_queue&) noexcept;

    // The first number that was closed since; -1: none.
    [[nodiscard]] int closed() const noexcept;

    // Of something no event will tell: park() comes back to look at it.
    void look_again() noexcept { is_complete_ = false; }

    // Suspends the calling fiber.
    wake park(const wait_kind&, const void* object, deadline) noexcept;

  private:
    struct place {
        std::optional<waiter> in_queue;
        std::optional<meaning> file;  // none: the queue is no descriptor's
        int fd = -1;
    };

    std::array<place, 4> few_;
    std::unique_ptr<place[]> many_;
    place* first_ = few_.data();
    place* next_ = few_.data();
    bool is_complete_ = true;
};

// `ask()` is a plain call that does not wait. The kernel ends even that with EINTR when a handler
// is about to run, which means something to the main fiber's calls only.
template <class Ask>
int ask_undisturbed(Ask ask) noexcept {
    int n;
    do {
        n = ask();
    } while (n < 0 && errno == EINTR && !handlers_end_calls());
    return n;
}

enum class watched : std::uint8_t { seen, timed_out, failed };

// Until `look(closed)` is true. It asks the kernel, and must not wait; `closed` is a number that
// was closed during the wait before it, and may mean another file by now, or -1.
// `list(watch_list&)` names what is worth another look, and is false, with errno, when that cannot
// be. A failed wait has errno set. Suspends the calling fiber.
template <class Look, class List>
watched watch_until(const wait_kind& kind, const void* object, deadline until, Look look,
                    List list) noexcept {
    for (int closed = -1;;) {
        if (look(closed)) return watched::seen;
        if (until.expired()) return watched::timed_out;
        watch_list places;
        if (!list(places)) return watched::failed;
        const wake reason = places.park(kind, object, until);
        closed = places.closed();
        if (reason != wake::interrupted || was_taken_back(reason)) continue;
        const int error = wait_error(reason);
        // What is there comes first.
        if (look(closed)) return watched::seen;
        errno = error;
        return watched::failed;
    }
}

}  // namespace ramie::monkey::detail
