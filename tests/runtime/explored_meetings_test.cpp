// Condition variables, latches, barriers and once under every small schedule and many random ones,
// with waiters that are killed or give up. Each model names a bug that was planted in the code to
// see it found.
#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <type_traits>

#include "ramie/lock.hpp"
#include "support/exploration.hpp"

namespace {

using namespace ramie::test;

using explored_condition_variable = fiber_test;
using explored_latch = fiber_test;
using explored_barrier = fiber_test;
using explored_once = fiber_test;

// --- condition_variable --------------------------------------------------------------------------

// A token does not lie there while somebody waits for one, whoever was notified and gave up; the
// lock is held again after each wait, however it ended; and at the deadline it ends with what the
// predicate says.
// Found: in notify_one(), to take the first out of the queue though something else has woken it;
// wake_one() in place of wake_all() in notify_all(); no shield around the wait for the lock, and no
// such wait after an exception; in the wait with a predicate no deadline, and `return false` for
// `return ready()` after it.
template <class Held>
void take_tokens(const pause_fn& pause, const fates& all) {
    constexpr int most = std::is_same_v<Held, std::shared_lock<ramie::shared_mutex>> ? 100 : 1;
    typename Held::mutex_type m;
    ramie::condition_variable some;
    std::size_t tokens = 0;
    std::size_t taken = 0;
    int holders = 0;
    int in_a_hurry = 0;
    line waiting;
    crowd fibers(pause);
    const auto wait = [&](Held& held, deadline until) {
        try {
            return some.wait(
                held, [&] { return tokens != 0; }, until);
        } catch (...) {
            const inside here(holders, most, "the lock is held again after an exception");
            pause();
            throw;
        }
    };
    for (const fate f : all)
        fibers.add(f, [&, f](deadline until) {
            Held held(m);
            const auto place = waiting.arrive(f == fate::patient);
            in_a_hurry += f == fate::hasty ? 1 : 0;
            const at_exit no_more([&] { in_a_hurry -= f == fate::hasty ? 1 : 0; });
            const bool came = wait(held, until);
            const inside here(holders, most, "the lock is held again");
            require(came == (tokens != 0), "it returns what the predicate said last");
            if (!came) return;
            waiting.serve(place);
            --tokens;
            ++taken;
            pause();
        });
    fibers.linger();
    const std::size_t given = all.size() / 3;
    for (std::size_t i = 0; i != given; ++i) {
        const Held held(m);  // who is notified has to wait for the lock as well
        ++tokens;
        some.notify_one();
        pause();
    }
    this_fiber::sleep_for(1s);
    require(in_a_hurry == 0, "a wait ends at its deadline");
    require(tokens == 0 || waiting.empty(), "no notification is lost");
    {
        const Held held(m);
        tokens += all.size();
    }
    some.notify_all();
    fibers.join();
    require(tokens + taken == all.size() + given, "no token is lost or doubled");
}

TEST_F(explored_condition_variable, loses_no_notification_under_many_seeds) {
    under_many_seeds(take_tokens<std::unique_lock<ramie::mutex>>);
    under_many_seeds(take_tokens<std::unique_lock<ramie::recursive_mutex>>);
    under_many_seeds(take_tokens<std::unique_lock<ramie::shared_mutex>>);
    under_many_seeds(take_tokens<std::shared_lock<ramie::shared_mutex>>);
    under_many_seeds(take_tokens<std::unique_lock<ramie::semaphore>>);
}

TEST_F(explored_condition_variable, loses_no_notification_under_every_schedule) {
    under_every_schedule(take_tokens<std::unique_lock<ramie::mutex>>);
}

TEST_F(explored_condition_variable, takes_other_locks_under_every_schedule) {
    under_every_schedule(take_tokens<std::unique_lock<ramie::semaphore>>);
    under_every_schedule(take_tokens<std::shared_lock<ramie::shared_mutex>>);
}

// --- latch
// -----------------------------------------------------------------------------------------

// It opens for all who wait when the last of the patient ones has arrived, and not before.
// Found: wake_one() in place of wake_all() in latch::count_down(); the wake-up before `count_ -=
// n`.
void open_once(const pause_fn& pause, const fates& all) {
    const auto count = std::ranges::count(all, fate::patient);
    ramie::latch gate(static_cast<std::size_t>(count));
    int arrived = 0;
    int passed = 0;
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&, f](deadline until) {
            if (f == fate::patient) {
                if (arrived + 1 == count) fibers.linger();
                ++arrived;
                gate.count_down();
            }
            const bool is_open = gate.wait(until);
            require(!is_open || (gate.try_wait() && arrived == count),
                    "it opens when all are there");
            passed += f == fate::patient ? 1 : 0;
        });
    fibers.join();
    require(passed == count && gate.wait(0ms), "it opens for everyone, and stays open");
}

TEST_F(explored_latch, opens_for_all_under_many_seeds) { under_many_seeds(open_once); }

TEST_F(explored_latch, opens_for_all_under_every_schedule) { under_every_schedule(open_once); }

// --- barrier
// ---------------------------------------------------------------------------------------

// Each time that it opens two have arrived and stayed. One that is killed or times out between the
// opening and its next step was one of them.
// Found: no `--arrived_` after a wait that was interrupted, or one in the next phase too; no
// `++phase_` in barrier::open(); `--arrived_` before the look at the phase at a deadline (by the
// seeds).
void meet_again(const pause_fn& pause, const fates& all) {
    int opened = 0;
    int came = 0;
    ramie::barrier both(2, [&] { ++opened; });
    const auto arrive = [&](deadline until) {
        const int before = opened;
        const at_exit count([&] { came += opened != before ? 1 : 0; });
        const bool met = both.arrive_and_wait(until);
        require(met == (opened != before), "who comes back has met somebody, or has given up");
    };
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&, f](deadline until) {
            arrive(until);
            if (f == fate::patient) arrive(until);
        });
    // For those of whom there is an odd number.
    bool is_over = false;
    crowd partner(pause);
    partner.add(fate::patient, [&](deadline) {
        this_fiber::sleep_for(1s);
        while (!is_over) arrive(1ms);
    });
    fibers.join();
    is_over = true;
    partner.join();
    require(came == 2 * opened && both.arrived() == 0, "two meet each time");
}

TEST_F(explored_barrier, lets_two_meet_under_many_seeds) { under_many_seeds(meet_again); }

TEST_F(explored_barrier, lets_two_meet_under_every_schedule) { under_every_schedule(meet_again); }

// --- once
// ------------------------------------------------------------------------------------------

// It succeeds once, though the first call throws and others are killed or give up.
// Found: no second look at `done_` when the turn has come; `done_ = true` before the call.
void succeed_once(const pause_fn& pause, const fates& all) {
    ramie::once done;
    int calling = 0;
    int called = 0;
    int succeeded = 0;
    crowd fibers(pause);
    const auto call = [&](deadline until) {
        return done.call(
            [&] {
                const inside here(calling, 1, "calls do not overlap");
                const bool is_first = called++ == 0;
                fibers.linger();
                if (is_first) throw std::runtime_error("not yet");
                ++succeeded;
            },
            until);
    };
    for (const fate f : all)
        fibers.add(f, [&](deadline until) {
            try {
                require(!call(until) || succeeded == 1, "who goes on finds it done");
            } catch (const std::runtime_error&) {
                require(!call(until) || succeeded == 1, "who has failed may try again");
            }
        });
    fibers.join();
    require(done.done() && succeeded == 1, "it is done once");
}

TEST_F(explored_once, succeeds_once_under_many_seeds) { under_many_seeds(succeed_once); }

TEST_F(explored_once, succeeds_once_under_every_schedule) { under_every_schedule(succeed_once); }

}  // namespace
