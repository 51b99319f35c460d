// select() under every small schedule and many random ones, with fibers that are killed or give up
// while they wait. Each model names a bug that was planted in the code to see it found.
#include <algorithm>
#include <set>

#include "ramie/queue.hpp"
#include "support/exploration.hpp"

namespace {

using namespace ramie::test;
using ramie::on_get;
using ramie::on_put;
using ramie::on_set;

using explored_select = fiber_test;

// Each item that select() says was put is taken once, by whichever way it went, and nobody waits
// for what could happen.
// Found: a case that says it has won though something else had woken the fiber.
void exchange_two_ways(bool first_puts, const pause_fn& pause, const fates& all) {
    ramie::queue<std::size_t> through(1);
    ramie::channel<std::size_t> across;
    ramie::event over;
    std::vector<std::size_t> sent;
    std::vector<std::size_t> received;
    line putting;
    line getting;
    const auto take = [&](std::size_t got) { received.push_back(got); };
    const auto put = [&](bool is_patient, deadline until) {
        const auto mine = putting.arrive(is_patient);
        const auto which = select(on_put(through, mine), on_put(across, mine), on_set(over), until);
        if (!which || *which == 2) return;
        sent.push_back(mine);
        putting.serve(mine);
    };
    const auto get = [&](bool is_patient, deadline until) {
        const auto place = getting.arrive(is_patient);
        const auto which = select(on_get(through, take), on_get(across, take), on_set(over), until);
        if (which && *which != 2) getting.serve(place);
    };
    crowd fibers(pause);
    for (std::size_t i = 0; i != all.size(); ++i)
        fibers.add(all[i], [&, f = all[i], puts = (i % 2 == 0) == first_puts](deadline until) {
            puts ? put(f == fate::patient, until) : get(f == fate::patient, until);
        });
    fibers.linger();
    this_fiber::sleep_for(1s);
    require(through.empty() || getting.empty(), "nobody waits for an item that is there");
    require(through.full() || putting.empty(), "nobody waits for a free place");
    over.set();
    fibers.join();
    while (const auto left = through.try_get()) received.push_back(*left);
    std::ranges::sort(sent);
    std::ranges::sort(received);
    require(sent == received, "what was put was taken, once");
}

// Whoever waits when an event is set goes on, though it is cleared at once.
// Found in earnest: select() forgot an event that was set while a timeout had woken its fiber.
void wait_for_pulse(const pause_fn& pause, const fates& all) {
    ramie::event pulse;
    ramie::queue<int> nothing;
    std::set<std::size_t> waiting;
    crowd fibers(pause);
    for (std::size_t i = 0; i != all.size(); ++i)
        fibers.add(all[i], [&, i](deadline until) {
            waiting.insert(i);
            const at_exit gone([&] { waiting.erase(i); });
            select(on_get(nothing, [](int) {}), on_set(pulse), until);
        });
    fibers.linger();
    const auto owed = waiting;
    pulse.set();
    pulse.clear();
    this_fiber::sleep_for(1s);
    for (const std::size_t i : owed) require(!waiting.contains(i), "who waits goes on");
    pulse.set();
    fibers.join();
}

// The number of the case that was taken of two that could happen.
// Found: to try the cases in their order.
std::size_t choose_one() {
    ramie::queue<int> first;
    ramie::queue<int> second;
    first.put(1);
    second.put(2);
    const auto which = select(on_get(first, [](int) {}), on_get(second, [](int) {}));
    require(first.size() + second.size() == 1, "one case happens");
    return *which;
}

TEST_F(explored_select, exchanges_items_under_many_seeds) {
    under_many_seeds([](const pause_fn& pause, const fates& all) {
        exchange_two_ways(ramie::testing::seed() % 3 == 0, pause, all);
    });
}

TEST_F(explored_select, loses_no_getter_under_every_schedule) {
    under_every_schedule(
        [](const pause_fn& pause, const fates& all) { exchange_two_ways(true, pause, all); });
}

TEST_F(explored_select, loses_no_putter_under_every_schedule) {
    under_every_schedule(
        [](const pause_fn& pause, const fates& all) { exchange_two_ways(false, pause, all); });
}

TEST_F(explored_select, hears_each_pulse_under_many_seeds) { under_many_seeds(wait_for_pulse); }

TEST_F(explored_select, hears_each_pulse_under_every_schedule) {
    under_every_schedule(wait_for_pulse);
}

TEST_F(explored_select, is_fair_under_many_seeds) {
    std::array<std::uint64_t, 2> chosen{};
    const auto runs = ramie::testing::explore(seeds, [&] { ++chosen.at(choose_one()); });
    EXPECT_GT(chosen[0], runs * 2 / 5);
    EXPECT_GT(chosen[1], runs * 2 / 5);
}

TEST_F(explored_select, takes_each_case_under_every_schedule) {
    std::vector<std::size_t> chosen;
    ramie::testing::explore_all([&] { chosen.push_back(choose_one()); });
    std::ranges::sort(chosen);
    EXPECT_EQ(chosen, (std::vector<std::size_t>{0, 1}));
}

}  // namespace
