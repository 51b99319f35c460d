// What locks cost: when nobody else wants them, and when each is handed from one to the other.
#include <benchmark/benchmark.h>

#include "contenders.hpp"

namespace {

template <class Contender>
void lock_unlock(benchmark::State& state) {
    typename Contender::mutex m;
    for (auto _ : state) {
        m.lock();
        benchmark::DoNotOptimize(m);
        m.unlock();
    }
}

// Two that wait for each other, there and back again: two switches.
template <class Contender>
void semaphore_hand_over(benchmark::State& state) {
    typename Contender::semaphore there;
    typename Contender::semaphore back;
    bool stop = false;
    auto other = Contender::spawn([&] {
        for (;;) {
            there.acquire();
            if (stop) return;
            back.release();
        }
    });
    while (state.KeepRunningBatch(2)) {
        there.release();
        back.acquire();
    }
    stop = true;
    there.release();
    other.join();
}

BENCHMARK(lock_unlock<ramie_fibers>);
BENCHMARK(lock_unlock<boost_fibers>);
BENCHMARK(lock_unlock<threads>);
BENCHMARK(semaphore_hand_over<ramie_fibers>);
BENCHMARK(semaphore_hand_over<boost_fibers>);
BENCHMARK(semaphore_hand_over<threads>)->UseRealTime();

}  // namespace
