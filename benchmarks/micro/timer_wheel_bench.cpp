// What a timer costs beside many pending ones, whose deadlines are spread over an hour. The number
// of those is the argument: a million must cost no more per operation than a thousand.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "timer_wheel.hpp"

namespace {

using ramie::detail::timer_node;
using ramie::detail::timer_wheel;

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t hour = 3'600 * second;

// Powers of two, for the division would cost as much as the timer.
constexpr std::size_t in_flight = 512;
constexpr std::size_t delay_count = 8 * in_flight;

struct request : timer_node {
    request() : timer_node(+[](timer_node&) noexcept {}) {}
};

std::vector<std::int64_t> random_delays(std::int64_t below) {
    std::mt19937_64 random(2);
    std::vector<std::int64_t> delays(delay_count);
    for (std::int64_t& delay : delays) delay = static_cast<std::int64_t>(random() >> 1) % below;
    return delays;
}

// One that is armed again when it expires keeps the number of pending timers constant.
class crowd {
  public:
    explicit crowd(std::int64_t size) : wheel_(now_) {
        for (std::int64_t i = 0; i < size; ++i) wheel_.set(members_.emplace_back(*this), later());
    }
    ~crowd() {
        for (member& m : members_) wheel_.cancel(m);
    }

    std::int64_t later() { return now_ + static_cast<std::int64_t>(random_() >> 1) % hour; }

    std::int64_t now_ = 1'234 * hour + 567;
    timer_wheel wheel_;

  private:
    struct member : timer_node {
        explicit member(crowd& owner) : timer_node(&member::on_expire), owner_(owner) {}
        static void on_expire(timer_node& node) noexcept {
            crowd& owner = static_cast<member&>(node).owner_;
            owner.wheel_.set(node, owner.later());
        }
        crowd& owner_;
    };

    std::mt19937_64 random_{1};
    std::deque<member> members_;
};

// The common life of a timer: the request is answered long before its deadline.
void timer_set_and_cancel(benchmark::State& state) {
    crowd others(state.range(0));
    const auto delays = random_delays(hour);
    std::vector<request> requests(in_flight);
    std::size_t i = 0;
    for (auto _ : state) {
        request& oldest = requests[i % in_flight];
        others.wheel_.cancel(oldest);
        others.wheel_.set(oldest, others.now_ + delays[i % delay_count]);
        ++i;
    }
    for (request& r : requests) others.wheel_.cancel(r);
}

// A sleep of up to ten microseconds to its end; in so short a time hardly any other expires.
void timer_set_and_expire(benchmark::State& state) {
    crowd others(state.range(0));
    const auto delays = random_delays(second / 100'000);
    request sleeper;
    std::size_t i = 0;
    for (auto _ : state) {
        others.now_ += delays[i++ % delay_count];
        others.wheel_.set(sleeper, others.now_);
        others.wheel_.advance(others.now_);
    }
}

// The rare life of a timer, from set() down all levels to its end an hour or less later. Here the
// number counts: more timers than the cache can hold cost a cache miss a level.
void timer_whole_life(benchmark::State& state) {
    crowd all(state.range(0));
    std::size_t expired = 0;
    for (auto _ : state) {
        all.now_ = all.wheel_.next();
        expired += all.wheel_.advance(all.now_);
    }
    state.counters["per_timer"] = benchmark::Counter(
        static_cast<double>(expired), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

std::int64_t cpu_time() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * second + t.tv_nsec;
}

// A million timers that are due, each on a page of its own as the timers of fibers are, and in no
// order. "worst" is the longest of the steps, of which the argument says how much each may do.
void timer_longest_step(benchmark::State& state) {
    struct page {
        alignas(4096) request timer;
    };
    constexpr std::size_t count = 1'000'000;
    const auto portion = static_cast<std::size_t>(state.range(0));
    std::vector<page> pages(count);
    std::vector<page*> order;
    for (page& each : pages) order.push_back(&each);
    std::ranges::shuffle(order, std::mt19937_64(3));
    std::int64_t worst = 0;
    for (auto _ : state) {
        timer_wheel wheel(0);
        std::int64_t when = 60 * second;
        for (page* each : order) wheel.set(each->timer, when += second / 100'000);
        while (!wheel.empty()) {
            const std::int64_t start = cpu_time();
            wheel.advance(hour, portion);
            worst = std::max(worst, cpu_time() - start);
        }
    }
    state.counters["worst"] = static_cast<double>(worst) / second;
}

BENCHMARK(timer_longest_step)->Arg(2'048)->Arg(1'000'000)->Iterations(1);
BENCHMARK(timer_set_and_cancel)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(timer_set_and_expire)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);
BENCHMARK(timer_whole_life)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
