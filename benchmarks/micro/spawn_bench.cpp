// What the whole life of an empty fiber or thread costs, from spawn to join, alone and as one of a
// batch of 1,000.
#include <benchmark/benchmark.h>

#include <vector>

#include "contenders.hpp"

namespace {

constexpr auto nothing = [] {};

template <class Contender>
void spawn_and_join(benchmark::State& state) {
    for (auto _ : state) Contender::spawn(nothing).join();
}

template <class Contender>
void spawn_batch_and_join(benchmark::State& state) {
    constexpr std::size_t size = 1'000;
    std::vector<decltype(Contender::spawn(nothing))> batch;
    batch.reserve(size);
    while (state.KeepRunningBatch(size)) {
        for (std::size_t i = 0; i != size; ++i) batch.push_back(Contender::spawn(nothing));
        for (auto& each : batch) each.join();
        batch.clear();
    }
}

BENCHMARK(spawn_and_join<ramie_fibers>);
BENCHMARK(spawn_and_join<boost_fibers>);
BENCHMARK(spawn_and_join<threads>)->UseRealTime();
BENCHMARK(spawn_batch_and_join<ramie_fibers>);
BENCHMARK(spawn_batch_and_join<boost_fibers>);
BENCHMARK(spawn_batch_and_join<threads>)->UseRealTime();

}  // namespace
