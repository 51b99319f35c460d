// What time limits and sleeps cost a fiber.
#include <benchmark/benchmark.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <ramie/fiber.hpp>
#include <ramie/timeout.hpp>
#include <vector>

namespace {

using namespace std::chrono_literals;

// Of the common kind, which never expires.
void timeout_around_nothing(benchmark::State& state) {
    for (auto _ : state) {
        ramie::timeout limit{5s};
        benchmark::DoNotOptimize(limit);
    }
}

// What the kernel's clock alone takes.
void look_at_the_clock(benchmark::State& state) {
    timespec now;
    for (auto _ : state) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        benchmark::DoNotOptimize(now);
    }
}

// The same without a look at the clock.
void timeout_with_known_deadline(benchmark::State& state) {
    const ramie::deadline until = 1h;
    for (auto _ : state) {
        ramie::timeout limit{until};
        benchmark::DoNotOptimize(limit);
    }
}

// As many sleepers as the argument says; "per_sleep" is the CPU time of one sleep of a microsecond.
void sleep_one_microsecond(benchmark::State& state) {
    std::int64_t sleeps = 0;
    bool stop = false;
    auto keep_sleeping = [&] {
        while (!stop) {
            ramie::this_fiber::sleep_for(1us);
            ++sleeps;
        }
    };
    std::vector<ramie::fiber<>> sleepers;
    for (std::int64_t i = 0; i != state.range(0); ++i)
        sleepers.push_back(ramie::spawn(keep_sleeping));
    for (auto _ : state) ramie::this_fiber::sleep_for(1us);
    const auto measured = static_cast<double>(sleeps + state.iterations());
    state.counters["per_sleep"] =
        benchmark::Counter(measured, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    stop = true;
    ramie::join_all(sleepers);
}

BENCHMARK(look_at_the_clock);
BENCHMARK(timeout_around_nothing);
BENCHMARK(timeout_with_known_deadline);
BENCHMARK(sleep_one_microsecond)->Arg(0)->Arg(1'000)->Arg(10'000);

}  // namespace
