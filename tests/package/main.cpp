// A program that uses what most programs use, and the kit for its own tests.
#include <chrono>
#include <mutex>
#include <ramie/fiber.hpp>
#include <ramie/lock.hpp>
#include <ramie/pool.hpp>
#include <ramie/queue.hpp>
#include <ramie/run.hpp>
#include <ramie/testing.hpp>
#include <vector>

namespace {

using namespace std::chrono_literals;

int sum_of_squares() {
    ramie::queue<int> numbers(2);
    auto producer = ramie::spawn([&] {
        for (int i = 1; i != 4; ++i) numbers.put(i);
        numbers.shutdown();
    });
    ramie::mutex guard;
    int sum = 0;
    ramie::pool workers(2);
    for (const int n : numbers)
        workers.spawn([&, n] {
            const std::lock_guard held(guard);
            ramie::this_fiber::sleep_for(1h);
            sum += n * n;
        });
    workers.join();
    producer.get();
    return sum;
}

}  // namespace

int main() {
    return ramie::run([] {
        const ramie::testing::virtual_clock clock;
        const auto answer = ramie::spawn(&sum_of_squares);
        return answer.get() == 14 && clock.elapsed() == 3h ? 0 : 1;
    });
}
