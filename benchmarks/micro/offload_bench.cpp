// What it costs to have a thread do something while the fiber waits.
#include <benchmark/benchmark.h>

#include <future>
#include <ramie/thread_pool.hpp>
#include <thread>

namespace {

void offload_round_trip(benchmark::State& state) {
    ramie::thread_pool pool(1, 1);
    for (auto _ : state) benchmark::DoNotOptimize(pool.run([] { return 1; }));
}

// Without a pool, as the standard library has it.
void async_round_trip(benchmark::State& state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(std::async(std::launch::async, [] { return 1; }).get());
}

BENCHMARK(offload_round_trip)->UseRealTime();
BENCHMARK(async_round_trip)->UseRealTime();

}  // namespace
