// Queues and channels under every small schedule and many random ones, with fibers that are killed
// or give up while they wait. Each model names a bug that was planted in the code to see it found.
#include <algorithm>
#include <type_traits>

#include "ramie/queue.hpp"
#include "support/exploration.hpp"

namespace {

using namespace ramie::test;

using explored_queue = fiber_test;
using explored_lifo_queue = fiber_test;
using explored_priority_queue = fiber_test;
using explored_joinable_queue = fiber_test;
using explored_channel = fiber_test;

struct item {
    int rank;
    int number;
    friend bool operator<(const item& a, const item& b) noexcept { return a.rank < b.rank; }
};

// What a queue holds, and which of it comes next: what it is compared with.
template <class Queue>
class expected_items {
  public:
    void add(const item& i) { items_.push_back(i); }
    [[nodiscard]] std::size_t size() const { return items_.size(); }
    [[nodiscard]] auto next() const {
        if constexpr (std::is_same_v<Queue, ramie::lifo_queue<item>>)
            return std::prev(items_.end());
        else if constexpr (std::is_same_v<Queue, ramie::priority_queue<item>>)
            return std::min_element(items_.begin(), items_.end());
        else
            return items_.begin();
    }
    void check(const item& seen) const {
        require(!items_.empty() && next()->number == seen.number, "it is the next in order");
    }
    void take(const item& taken) {
        check(taken);
        items_.erase(next());
    }

  private:
    std::vector<item> items_;
};

enum class role : std::uint8_t { put, get, peek };
using roles = std::vector<role>;

// Fibers that put, get and peek two items each. Every item that went in comes out once, in the
// order of the queue; there are never more than it may hold; nobody waits for what is there; and
// what is there at the end of it is given out.
// Found: no wake_getter() in peek(); in queue_core, wake_putter() before `--count_` in removed(),
// wake_getter() before `++count_` in added(), no claims in may_get() and no reservations in
// may_put(); of a lifo_queue, to take the first; of a priority_queue, to insert at the lower bound.
template <class Queue>
class exchange {
  public:
    exchange(std::size_t capacity, const pause_fn& pause)
        : capacity_(capacity), pause_(pause), queue_(capacity), fibers_(pause) {}

    void run(const roles& who, const fates& all) {
        for (std::size_t i = 0; i != all.size(); ++i)
            fibers_.add(all[i], [this, f = all[i], r = who[i % who.size()]](deadline until) {
                try {
                    act(r, f, until);
                    pause_();
                    act(r, f, until);
                } catch (const ramie::queue_shutdown&) {
                    require(queue_.is_shut_down(), "nothing else ends a wait");
                }
            });
        fibers_.linger();
        this_fiber::sleep_for(1s);
        require(items_.size() == 0 || getting_.empty(), "nobody waits for an item that is there");
        require(items_.size() == capacity_ || putting_.empty(), "nobody waits for a free place");
        queue_.shutdown();
        fibers_.join();
        for (const item& left : queue_) items_.take(left);
        require(items_.size() == 0, "no item is lost");
    }

  private:
    void act(role r, fate f, deadline until) {
        line& here = r == role::put ? putting_ : getting_;
        const auto place = here.arrive(f == fate::patient);
        const auto served = [&] {
            require(here.ahead_of(place) < capacity_, "those who wait are served in order");
            here.serve(place);
        };
        if (r == role::put) {
            const item mine{next_ % 2, next_};
            ++next_;
            if (!queue_.put(mine, until)) return;
            items_.add(mine);
        } else if (r == role::get) {
            items_.take(queue_.get(until));
        } else {
            items_.check(queue_.peek(until));
            here.serve(place);  // what it looked at is also for the next
            return;
        }
        served();
        require(queue_.size() == items_.size() && queue_.size() <= capacity_, "memory is bounded");
    }

    std::size_t capacity_;
    const pause_fn& pause_;
    Queue queue_;
    expected_items<Queue> items_;
    line putting_;
    line getting_;
    int next_ = 0;
    crowd fibers_;
};

template <class Queue>
void exchange_under_many_seeds() {
    under_many_seeds([](const pause_fn& pause, const fates& all) {
        constexpr std::size_t capacities[]{1, 2, 3, ramie::unbounded};
        exchange<Queue>(capacities[ramie::testing::seed() % 4], pause)
            .run({role::put, role::get, role::get, role::put, role::peek}, all);
    });
}

template <class Queue>
void exchange_under_every_schedule(const roles& who, std::size_t capacity = 1) {
    under_every_schedule([&](const pause_fn& pause, const fates& all) {
        exchange<Queue>(capacity, pause).run(who, all);
    });
}

TEST_F(explored_queue, exchanges_items_under_many_seeds) {
    exchange_under_many_seeds<ramie::queue<item>>();
}

TEST_F(explored_queue, loses_no_getter_under_every_schedule) {
    exchange_under_every_schedule<ramie::queue<item>>({role::put, role::get, role::put});
}

TEST_F(explored_queue, loses_no_putter_under_every_schedule) {
    exchange_under_every_schedule<ramie::queue<item>>({role::get, role::put, role::get});
}

TEST_F(explored_queue, shows_its_items_under_every_schedule) {
    exchange_under_every_schedule<ramie::queue<item>>({role::get, role::peek, role::put});
}

TEST_F(explored_lifo_queue, exchanges_items_under_many_seeds) {
    exchange_under_many_seeds<ramie::lifo_queue<item>>();
}

TEST_F(explored_lifo_queue, exchanges_items_under_every_schedule) {
    exchange_under_every_schedule<ramie::lifo_queue<item>>({role::put, role::get, role::put}, 3);
}

TEST_F(explored_priority_queue, exchanges_items_under_many_seeds) {
    exchange_under_many_seeds<ramie::priority_queue<item>>();
}

TEST_F(explored_priority_queue, exchanges_items_under_every_schedule) {
    exchange_under_every_schedule<ramie::priority_queue<item>>({role::put, role::get, role::put},
                                                               3);
}

// --- joinable_queue ------------------------------------------------------------------------------

// All who join go on when everything is done or dropped, and not before.
// Found: wake_one() in place of wake_all() in finish_one(); `count_ = 0` before `unfinished_ -=
// count_` in dropped_all(); `return false` for the look of wait_until_finished() at what is left.
void finish_all(const pause_fn& pause, const fates& all) {
    ramie::joinable_queue<int> jobs;
    std::size_t left = 2;
    for (std::size_t i = 0; i != left; ++i) jobs.put(0);
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&](deadline until) {
            require(!jobs.join(until) || left == 0, "a join ends when all is done");
        });
    fibers.add(fate::patient, [&](deadline) {
        for ([[maybe_unused]] const int job : jobs) {
            pause();
            --left;
            jobs.task_done();
        }
    });
    fibers.linger();
    left -= jobs.size();
    jobs.shutdown(true);
    fibers.join();
    require(jobs.unfinished() == 0, "nothing is left");
}

TEST_F(explored_joinable_queue, is_joined_under_many_seeds) { under_many_seeds(finish_all); }

TEST_F(explored_joinable_queue, is_joined_under_every_schedule) {
    under_every_schedule([](const pause_fn& pause, const fates& all) {
        finish_all(pause, {all[0], all[1]});
    });
}

// --- channel
// ---------------------------------------------------------------------------------------

// What was put was taken, once and in order of arrival; nobody waits for one who waits for him.
// Found: in first_of(), to take one that something else has woken; no wake-up of the putter in
// try_get_into(); no `done` in hand_over().
void meet_through_channel(const roles& who, const pause_fn& pause, const fates& all) {
    ramie::channel<std::size_t> c;
    std::vector<std::size_t> sent;
    std::vector<std::size_t> received;
    line putting;
    line getting;
    const auto getters = static_cast<std::size_t>(std::ranges::count(who, role::get));
    crowd fibers(pause);
    const auto put = [&](bool is_patient, deadline until) {
        const auto mine = putting.arrive(is_patient);
        if (c.put(mine, until)) sent.push_back(mine);
    };
    const auto get = [&](bool is_patient, deadline until) {
        const auto place = getting.arrive(is_patient);
        const auto got = c.get(until);
        getting.serve(place);
        require(putting.ahead_of(got) < getters, "putters are served in order");
        putting.serve(got);
        received.push_back(got);
    };
    for (std::size_t i = 0; i != all.size(); ++i)
        fibers.add(all[i], [&, f = all[i], r = who[i % who.size()]](deadline until) {
            try {
                for (int n = 0; n != 2; ++n) {
                    r == role::put ? put(f == fate::patient, until)
                                   : get(f == fate::patient, until);
                    pause();
                }
            } catch (const ramie::queue_shutdown&) {
                require(c.is_shut_down(), "nothing else ends a wait");
            }
        });
    fibers.linger();
    this_fiber::sleep_for(1s);
    require(getting.empty() || putting.empty(), "who puts meets who gets");
    c.shutdown();
    fibers.join();
    std::ranges::sort(sent);
    std::ranges::sort(received);
    require(sent == received, "what was put was taken, once");
}

TEST_F(explored_channel, lets_both_sides_meet_under_many_seeds) {
    under_many_seeds([](const pause_fn& pause, const fates& all) {
        meet_through_channel({role::put, role::get, role::put, role::get, role::get, role::put},
                             pause, all);
    });
}

TEST_F(explored_channel, loses_no_getter_under_every_schedule) {
    under_every_schedule([](const pause_fn& pause, const fates& all) {
        meet_through_channel({role::put, role::get, role::put}, pause, all);
    });
}

TEST_F(explored_channel, loses_no_putter_under_every_schedule) {
    under_every_schedule([](const pause_fn& pause, const fates& all) {
        meet_through_channel({role::get, role::put, role::get}, pause, all);
    });
}

}  // namespace
