#include "ramie/fiber_group.hpp"

#include <algorithm>
#include <deque>

#include "scheduler.hpp"

namespace ramie::detail {

namespace {

constexpr wait_kind other_ends{"the end of other fibers"};

// One fiber's place among those that somebody waits for; tells its number when the fiber ends.
struct end_watch : waiter {
    end_watch(fiber_core& self, std::size_t number, std::vector<std::size_t>& told) noexcept
        : waiter(self), index(number), ended(told) {
        on_wake = [](waiter& w) noexcept {
            auto& watch = static_cast<end_watch&>(w);
            watch.ended.push_back(watch.index);  // room was made for all
            return true;
        };
    }
    std::size_t index;
    std::vector<std::size_t>& ended;
};

// The numbers of fibers that have ended, in order of their ends; grows while it lives.
class end_watcher {
  public:
    explicit end_watcher(const std::vector<fiber_base>& fibers) {
        require_fiber(scheduler::get(), other_ends.what);
        ended_.reserve(fibers.size());
        for (std::size_t i = 0; i != fibers.size(); ++i) {
            if (fibers[i].ready())
                ended_.push_back(i);
            else
                fibers[i].core()->joiners.enqueue(watches_.emplace_back(*current_fiber, i, ended_));
        }
        std::ranges::sort(ended_, {}, [&](std::size_t i) {
            return fibers[i].core() == nullptr ? 0 : fibers[i].core()->end_order;
        });
    }

    [[nodiscard]] const std::vector<std::size_t>& ended() const noexcept { return ended_; }

    // Waits for `count` ends in all; false at the deadline.
    bool wait(std::size_t count, deadline until) const {
        scheduler& mine = scheduler::get();
        while (ended_.size() < count) {
            const wake reason = mine.park(other_ends, this, until);
            if (reason == wake::interrupted) raise_interrupt();
            if (reason == wake::timed_out) return ended_.size() >= count;
        }
        return true;
    }

  private:
    std::vector<std::size_t> ended_;
    std::deque<end_watch> watches_;
};

bool join_each(const std::vector<fiber_base>& fibers, deadline until) {
    return std::ranges::all_of(fibers, [&](const fiber_base& f) { return f.join(until); });
}

}  // namespace

bool join_all(const std::vector<fiber_base>& fibers, on_error policy, deadline until) {
    if (policy == on_error::ignore) return join_each(fibers, until);
    const end_watcher watcher(fibers);
    for (std::size_t i = 0; i != fibers.size(); ++i) {
        if (!watcher.wait(i + 1, until)) return false;
        const auto error = fibers[watcher.ended()[i]].exception();
        if (error != nullptr) std::rethrow_exception(error);
    }
    return true;
}

void kill_all(const std::vector<fiber_base>& fibers, std::exception_ptr error, deadline until) {
    // A kill never switches: those that have not started end here, before anything else runs.
    for (const fiber_base& f : fibers) f.try_kill(error);
    for (const fiber_base& f : fibers)
        if (f.core() != nullptr && !wait_for_end(*f.core(), until))
            throw timeout_expired("kill_all: some fibers live on");
}

std::vector<std::size_t> wait_some(const std::vector<fiber_base>& fibers, std::size_t count,
                                   deadline until) {
    const end_watcher watcher(fibers);
    watcher.wait(std::min(count, fibers.size()), until);
    auto ended = watcher.ended();
    if (ended.size() > count) ended.resize(count);
    for (const std::size_t i : ended)
        if (fibers[i].core() != nullptr) fibers[i].core()->observed = true;
    return ended;
}

}  // namespace ramie::detail
