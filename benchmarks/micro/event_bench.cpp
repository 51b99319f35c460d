// What it costs to hand control over: one sets a flag that the other waits for, and then waits
// itself.
#include <benchmark/benchmark.h>

#include <chrono>

#include "contenders.hpp"

namespace {

// There and back again: two hand-overs.
template <class Contender, class Take>
void hand_over_by(benchmark::State& state, Take take) {
    typename Contender::flag there;
    typename Contender::flag back;
    bool stop = false;
    auto other = Contender::spawn([&] {
        for (;;) {
            take(there);
            if (stop) return;
            back.set();
        }
    });
    while (state.KeepRunningBatch(2)) {
        there.set();
        take(back);
    }
    stop = true;
    there.set();
    other.join();
}

template <class Contender>
void hand_over(benchmark::State& state) {
    hand_over_by<Contender>(state, [](auto& flag) { flag.take(); });
}

// A timer is set and cancelled for each.
template <class Contender>
void hand_over_within_an_hour(benchmark::State& state) {
    hand_over_by<Contender>(state, [](auto& flag) { flag.take_within(std::chrono::hours(1)); });
}

BENCHMARK(hand_over_within_an_hour<ramie_fibers>);
BENCHMARK(hand_over_within_an_hour<boost_fibers>);
BENCHMARK(hand_over_within_an_hour<threads>)->UseRealTime();
BENCHMARK(hand_over<ramie_fibers>);
BENCHMARK(hand_over<boost_fibers>);
BENCHMARK(hand_over<threads>)->UseRealTime();

}  // namespace
