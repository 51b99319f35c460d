#pragma once
// What the models in the suites named explored_... share; see docs/testing.md.
//
//     void take_turns(const pause_fn& pause, const fates& all) { ... crowd ... require(...) ... }
//     TEST_F(explored_mutex, excludes_under_many_seeds) { under_many_seeds(take_turns); }
//     TEST_F(explored_mutex, excludes_under_every_schedule) { under_every_schedule(take_turns); }

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "ramie/fiber.hpp"
#include "ramie/testing.hpp"
#include "ramie/timeout.hpp"
#include "support/fiber_test.hpp"

namespace ramie::test {

// What every model says.
using namespace std::chrono_literals;
using ramie::deadline;
using testing::require;
namespace this_fiber = ramie::this_fiber;

constexpr std::uint64_t seeds = 2000;

// A place in a model where a schedule may leave.
using pause_fn = std::function<void()>;

// Random pauses, of the run's own: other seeds meet in other places.
class pauses {
  public:
    void operator()() {
        switch (random_.below(4)) {
            case 0:
                return this_fiber::yield();
            case 1:
                return this_fiber::sleep_for(std::chrono::milliseconds(1));
            case 2:
                return testing::preempt();
            default:
                return;
        }
    }

  private:
    testing::seeded_random random_{testing::seed()};
};

// Rethrows what any of them ended with.
inline void join_all(const std::vector<fiber_base>& fibers) {
    ramie::join_all(fibers, on_error::rethrow);
}

// --- what befalls a fiber that waits -----------------------------------------------------------

enum class fate : std::uint8_t {
    patient,  // nothing: it gets what it waits for
    hasty,    // its deadline passes
    killed,
    limited,  // a timeout around it expires
    spared,   // that one is cancelled by another fiber once it has expired
};
using fates = std::vector<fate>;

constexpr std::array every_fate{fate::patient, fate::hasty, fate::killed, fate::limited,
                                fate::spared};

constexpr std::chrono::milliseconds short_wait(1);

namespace detail {

// Cancels `limit` when it has expired, if it is still there.
inline void spare(const std::shared_ptr<timeout*>& limit) {
    spawn([limit] {
        this_fiber::sleep_for(short_wait);
        if (*limit != nullptr) (*limit)->cancel();
    });
}

template <class Work>
void under_limit(bool is_spared, Work& work) {
    try {
        timeout limit(short_wait);
        const auto here = std::make_shared<timeout*>(&limit);
        const at_exit gone([&] { *here = nullptr; });
        if (is_spared) spare(here);
        work(deadline());
    } catch (const timeout_expired&) {
    }
}

template <class Work>
void meet(fate f, Work& work) {
    if (f == fate::limited || f == fate::spared) return under_limit(f == fate::spared, work);
    if (f != fate::hasty) return work(deadline());
    try {
        work(deadline(short_wait));
    } catch (const timeout_expired&) {
    }
}

}  // namespace detail

// The fibers of a model, each of which meets its fate. Declared after what they use, which they do
// not outlive, also when the model fails.
class crowd {
  public:
    explicit crowd(const pause_fn& p) : pause_(p) {}
    ~crowd() { kill_all(members_); }
    crowd(const crowd&) = delete;
    crowd& operator=(const crowd&) = delete;

    // A fiber that calls `work(until)`.
    template <class Work>
    void add(fate f, Work work) {
        timed_ |= f == fate::hasty || f == fate::limited || f == fate::spared;
        const auto member = spawn([this, f, work]() mutable {
            begin();
            detail::meet(f, work);
        });
        members_.push_back(member);
        if (f != fate::killed) return;
        members_.push_back(spawn([this, member] {
            begin();
            member.try_kill();
        }));
    }

    // Keeps what others wait for until those that wait for a short time only are about to give up.
    void linger() const {
        pause_();
        if (timed_ && !soon_.expired()) this_fiber::sleep_until(soon_);
    }

    // Waits for all, and rethrows what any of them ended with.
    void join() const { join_all(members_); }

  private:
    // Where every schedule is taken, who starts when is up to it anyway.
    void begin() const {
        if (testing::seed() != 0) pause_();
    }

    const pause_fn& pause_;
    const deadline soon_ = short_wait;
    std::vector<fiber_base> members_;
    bool timed_ = false;
};

// Those that wait, in order of arrival. Who may give up is not counted: it may have done so, and
// not know yet.
class line {
  public:
    std::size_t arrive(bool is_patient) {
        if (is_patient) waiting_.insert(next_);
        return next_++;
    }
    // How many came before and are not served yet.
    [[nodiscard]] std::size_t ahead_of(std::size_t place) const {
        return static_cast<std::size_t>(
            std::distance(waiting_.begin(), waiting_.lower_bound(place)));
    }
    void serve(std::size_t place) { waiting_.erase(place); }
    [[nodiscard]] bool empty() const { return waiting_.empty(); }

  private:
    std::size_t next_ = 0;
    std::set<std::size_t> waiting_;
};

// Counts who is inside, also when it is killed there.
class inside {
  public:
    inside(int& count, int most, const char* text) : count_(count) {
        testing::require(count_ < most, text);
        ++count_;
    }
    ~inside() { --count_; }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;

  private:
    int& count_;
};

// --- runs ----------------------------------------------------------------------------------------

// Random fates of so many fibers, every second of which is patient.
inline fates some_fates(std::size_t count) {
    testing::seeded_random random(~testing::seed());
    fates all;
    for (std::size_t i = 0; i != count; ++i)
        all.push_back(i % 2 == 0 ? fate::patient : every_fate[random.below(every_fate.size())]);
    return all;
}

// `model(pause, fates)`, with six fibers.
template <class Model>
void under_many_seeds(Model model) {
    testing::explore(seeds, [&] {
        const pause_fn random = pauses();
        model(random, some_fates(6));
    });
}

// The same with three fibers for each fate of the second: what one may break the next must get.
template <class Model>
void under_every_schedule(Model model, fates of_second = {every_fate.begin(), every_fate.end()}) {
    const pause_fn between = testing::preempt;
    for (const fate f : of_second) {
        SCOPED_TRACE(static_cast<int>(f));
        const auto runs = testing::explore_all([&] {
            model(between, fates{fate::patient, f, fate::patient});
        });
        EXPECT_GT(runs, 10U);
    }
}

}  // namespace ramie::test
