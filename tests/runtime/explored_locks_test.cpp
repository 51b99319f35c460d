// Mutexes and semaphores under every small schedule and many random ones, with holders and waiters
// that are killed or give up. Each model names a bug that was planted in the code to see it found.
#include <mutex>
#include <shared_mutex>
#include <type_traits>

#include "ramie/event.hpp"
#include "ramie/lock.hpp"
#include "support/exploration.hpp"

namespace {

using namespace ramie::test;

using explored_mutex = fiber_test;
using explored_recursive_mutex = fiber_test;
using explored_shared_mutex = fiber_test;
using explored_semaphore = fiber_test;
using explored_bounded_semaphore = fiber_test;

// --- mutex, recursive_mutex --------------------------------------------------------------------

// One at a time has it, in order of arrival, and nobody has it in the end. A recursive_mutex stays
// taken when its holder gives back the second of two.
// Found: in mutex::hand_over(), to take a fiber for the owner that grant() did not wake; `depth_--`
// in place of `--depth_` in recursive_mutex::unlock(); take() without its result in
// wait_for_turn().
template <class Mutex>
void take_turns(const pause_fn& pause, const fates& all) {
    Mutex m;
    line waiting;
    int holders = 0;
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&, f](deadline until) {
            const auto place = waiting.arrive(f == fate::patient);
            if (!m.lock(until)) return;
            const std::lock_guard held(m, std::adopt_lock);
            require(waiting.ahead_of(place) == 0, "it is handed over in order of arrival");
            waiting.serve(place);
            const inside here(holders, 1, "one at a time has it");
            if constexpr (std::is_same_v<Mutex, ramie::recursive_mutex>) {
                require(m.lock(0ms), "its holder may take it again");
                m.unlock();
            }
            fibers.linger();
        });
    fibers.join();
    require(!m.is_locked(), "in the end it is free");
}

TEST_F(explored_mutex, is_handed_over_under_many_seeds) {
    under_many_seeds(take_turns<ramie::mutex>);
}

TEST_F(explored_mutex, is_handed_over_under_every_schedule) {
    under_every_schedule(take_turns<ramie::mutex>);
}

TEST_F(explored_recursive_mutex, is_handed_over_under_many_seeds) {
    under_many_seeds(take_turns<ramie::recursive_mutex>);
}

TEST_F(explored_recursive_mutex, is_handed_over_under_every_schedule) {
    under_every_schedule(take_turns<ramie::recursive_mutex>);
}

// --- shared_mutex --------------------------------------------------------------------------------

// Writers are alone, and nobody passes one that waits; a writer passes nobody.
// Found: no waiters_.empty() in shared_mutex::lock(); enter() before grant(), and whatever that
// says, in shared_mutex::admit().
void read_and_write(bool first_writes, const pause_fn& pause, const fates& all) {
    ramie::shared_mutex m;
    line everyone;
    line writers;
    int reading = 0;
    int writing = 0;
    crowd fibers(pause);
    for (std::size_t i = 0; i != all.size(); ++i) {
        const bool is_patient = all[i] == fate::patient;
        const bool writes = (i % 2 == 0) == first_writes;
        fibers.add(all[i], [&, is_patient, writes](deadline until) {
            const auto place = everyone.arrive(is_patient);
            writers.arrive(is_patient && writes);
            if (!(writes ? m.lock(until) : m.lock_shared(until))) return;
            const at_exit leave([&] { writes ? m.unlock() : m.unlock_shared(); });
            require((writes ? everyone : writers).ahead_of(place) == 0,
                    "it is handed over in order of arrival");
            everyone.serve(place);
            writers.serve(place);
            const inside here(writes ? writing : reading, writes ? 1 : 100, "one at a time writes");
            require(writing == 0 || reading == 0, "nobody reads what is written");
            fibers.linger();
        });
    }
    fibers.join();
    require(m.try_lock(), "in the end it is free");
    m.unlock();
}

// A writer that gives up lets in those that it kept waiting: both readers wait for the other one.
// Found: no admit() after a wait that has timed out, or after one that was interrupted.
void read_together(const pause_fn& pause, const fates& all) {
    ramie::shared_mutex m;
    ramie::event both;
    int reading = 0;
    crowd fibers(pause);
    const auto read = [&](deadline) {
        const std::shared_lock held(m);
        if (++reading == 2) both.set();
        both.wait();
    };
    fibers.add(fate::patient, read);
    fibers.add(all[1], [&](deadline until) {
        if (!m.lock(until)) return;
        const std::lock_guard held(m, std::adopt_lock);
        pause();
    });
    fibers.add(fate::patient, read);
    fibers.join();
}

const fates that_give_up{fate::hasty, fate::killed, fate::limited};

TEST_F(explored_shared_mutex, keeps_readers_from_writers_under_many_seeds) {
    under_many_seeds([](const pause_fn& pause, const fates& all) {
        read_and_write(ramie::testing::seed() % 3 == 0, pause, all);
    });
}

TEST_F(explored_shared_mutex, keeps_readers_from_writers_under_every_schedule) {
    for (const bool first_writes : {true, false})
        under_every_schedule([=](const pause_fn& pause, const fates& all) {
            read_and_write(first_writes, pause, all);
        });
}

TEST_F(explored_shared_mutex, lets_readers_meet_under_many_seeds) {
    under_many_seeds([](const pause_fn& pause, fates all) {
        all[1] = that_give_up[ramie::testing::seed() % that_give_up.size()];
        read_together(pause, all);
    });
}

TEST_F(explored_shared_mutex, lets_readers_meet_under_every_schedule) {
    under_every_schedule(read_together, that_give_up);
}

// --- semaphore, bounded_semaphore ----------------------------------------------------------------

// As many as there are permits have one, in order of arrival but for those that were given theirs
// and have not run yet, and in the end all are back.
// Found: to count a permit as given whatever wake_one() says, in semaphore::hand_over(); `++taken_`
// before the wait in bounded_semaphore::acquire(), and no `taken_ -= count` in its release().
template <class Semaphore>
void share_permits(const pause_fn& pause, const fates& all) {
    const std::size_t permits = all.size() / 2;
    Semaphore s(permits);
    line waiting;
    int holders = 0;
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&, f](deadline until) {
            const auto place = waiting.arrive(f == fate::patient);
            if (!s.acquire(until)) return;
            const std::lock_guard held(s, std::adopt_lock);
            require(waiting.ahead_of(place) < permits, "permits are given in order of arrival");
            waiting.serve(place);
            const inside here(holders, static_cast<int>(permits), "there are no more than that");
            fibers.linger();
        });
    fibers.join();
    require(s.permits() == permits, "in the end all permits are back");
    if constexpr (std::is_same_v<Semaphore, ramie::bounded_semaphore>) {
        require(!error_of<std::logic_error>([&] { s.release(); }).empty(), "and no more come");
        require(s.permits() == permits, "what is refused changes nothing");
    }
}

// Of permits that are given several at a time each is taken, or left for the next.
// Found, with the model above: to count a permit as given whatever wake_one() says.
void give_several(const pause_fn& pause, const fates& all) {
    ramie::semaphore s(0);
    std::size_t taken = 0;
    crowd fibers(pause);
    for (const fate f : all)
        fibers.add(f, [&](deadline until) {
            if (s.acquire(until)) ++taken;
        });
    fibers.linger();
    s.release(2);
    pause();
    s.release(all.size() - 2);
    fibers.join();
    require(taken + s.permits() == all.size(), "no permit is lost or doubled");
}

TEST_F(explored_semaphore, hands_over_its_permits_under_many_seeds) {
    under_many_seeds(share_permits<ramie::semaphore>);
    under_many_seeds(give_several);
}

TEST_F(explored_semaphore, hands_over_its_permits_under_every_schedule) {
    under_every_schedule(share_permits<ramie::semaphore>);
    under_every_schedule(give_several);
}

TEST_F(explored_bounded_semaphore, hands_over_its_permits_under_many_seeds) {
    under_many_seeds(share_permits<ramie::bounded_semaphore>);
}

TEST_F(explored_bounded_semaphore, hands_over_its_permits_under_every_schedule) {
    under_every_schedule(share_permits<ramie::bounded_semaphore>);
}

}  // namespace
