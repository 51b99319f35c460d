// What it costs to hand control over: one sets a flag that the other waits for, and then waits
// itself.
#include <benchmark/benchmark.h>

#include "contenders.hpp"

namespace {

// There and back again: two hand-overs.
template <class Contender>
void hand_over(benchmark::State& state) {
    typename Contender::flag there;
    typename Contender::flag back;
    bool stop = false;
    auto other = Contender::spawn([&] {
        for (;;) {
            there.take();
            if (stop) return;
            back.set();
        }
    });
    while (state.KeepRunningBatch(2)) {
        there.set();
        back.take();
    }
    stop = true;
    there.set();
    other.join();
}

BENCHMARK(hand_over<ramie_fibers>);
BENCHMARK(hand_over<boost_fibers>);
BENCHMARK(hand_over<threads>)->UseRealTime();

}  // namespace
