// What it costs to pass an item from one to the other.
#include <benchmark/benchmark.h>

#include "contenders.hpp"

namespace {

// There is always room, and always an item.
template <class Contender>
void queue_put_get(benchmark::State& state) {
    typename Contender::template queue<int> q(16);
    for (auto _ : state) {
        q.put(1);
        benchmark::DoNotOptimize(q.get());
    }
}

// The getter waits for each item: one put, one get and the switches between them.
template <class Contender>
void queue_hand_over(benchmark::State& state) {
    typename Contender::template queue<int> there(2);
    typename Contender::template queue<int> back(2);
    auto other = Contender::spawn([&] {
        while (const int item = there.get()) back.put(item);
    });
    while (state.KeepRunningBatch(2)) {
        there.put(1);
        benchmark::DoNotOptimize(back.get());
    }
    there.put(0);
    other.join();
}

// Without room in between: there and back again.
template <class Contender>
void channel_round_trip(benchmark::State& state) {
    typename Contender::template channel<int> there;
    typename Contender::template channel<int> back;
    auto other = Contender::spawn([&] {
        while (const int item = there.get()) back.put(item);
    });
    for (auto _ : state) {
        there.put(1);
        benchmark::DoNotOptimize(back.get());
    }
    there.put(0);
    other.join();
}

BENCHMARK(queue_put_get<ramie_fibers>);
BENCHMARK(queue_put_get<boost_fibers>);
BENCHMARK(queue_hand_over<ramie_fibers>);
BENCHMARK(queue_hand_over<boost_fibers>);
BENCHMARK(channel_round_trip<ramie_fibers>);
BENCHMARK(channel_round_trip<boost_fibers>);

}  // namespace
