// How a server gets rid of peers that neither send nor read. A connection takes no note of the
// time, which would cost every request: a fiber of the server looks at each now and then.

#include <algorithm>
#include <chrono>

#include "ramie/net/server.hpp"

namespace ramie::net {

using ramie::detail::direction;
using ramie::detail::stall_watch;

std::chrono::nanoseconds stream_server::time_between_looks() const noexcept {
    constexpr std::chrono::nanoseconds none{0};
    const auto idle = std::max(options_.idle_timeout, none);
    const auto write = std::max(options_.write_timeout, none);
    const auto shorter = idle == none || write == none ? idle + write : std::min(idle, write);
    return shorter == none ? none : std::max(shorter / 4, std::chrono::nanoseconds(1));
}

void stream_server::watch_connections() {
    for (;;) {
        busy_.wait();
        look_at_those_due();
        if (!served_.empty()) this_fiber::sleep_until(deadline::at(served_.front().next_look));
    }
}

// They all come up again after the same time, so who was looked at goes to the end. Not all at
// once: thousands may have come together.
void stream_server::look_at_those_due() noexcept {
    constexpr int most_in_a_turn = 64;
    const std::int64_t now = ramie::detail::now_ns();
    for (int looks = 0; looks != most_in_a_turn && !served_.empty(); ++looks) {
        detail::connection& next = served_.front();
        if (next.next_look > now) return;
        look_at(next, now);
        next.next_look = now + time_between_looks().count();
        served_.splice(served_.end(), served_, served_.begin());
    }
}

void stream_server::look_at(detail::connection& c, std::int64_t now) noexcept {
    auto* const d = ramie::detail::known_descriptor(c.fd);
    // The handler may have closed it: by now the number is another file.
    if (d == nullptr || d->generation != c.generation) return;
    const auto ends = [&](stall_watch& watch, direction dir, std::chrono::nanoseconds limit) {
        if (limit.count() <= 0 || !watch.look(*d, dir, now, limit.count())) return;
        c.stalled = true;
        ++stats_.timed_out;
    };
    ends(c.reading, direction::read, options_.idle_timeout);
    ends(c.writing, direction::write, options_.write_timeout);
}

}  // namespace ramie::net
