// Work for threads: submit, result, callback, map, the first that is done, and an orderly end.
//
//     executors

#include <chrono>
#include <cstdio>
#include <ramie/executor.hpp>
#include <ramie/fiber.hpp>
#include <ramie/run.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "complain.hpp"

namespace {

using namespace std::chrono_literals;

// What blocks or computes for long has no place in a fiber.
int slow_square(int n) {
    std::this_thread::sleep_for(std::chrono::milliseconds(n));
    if (n == 13) throw std::runtime_error("13 brings bad luck");
    return n * n;
}

auto squares_of(ramie::executor& workers, const std::vector<int>& numbers) {
    std::vector<ramie::future<int>> futures;
    futures.reserve(numbers.size());
    for (const int n : numbers) futures.push_back(workers.submit([n] { return slow_square(n); }));
    return futures;
}

}  // namespace

int main() try {
    return ramie::run([] {
        ramie::thread_executor workers(4);

        const auto one = workers.submit([] { return slow_square(7); });
        std::printf("submit: %d\n", one.get());
        one.add_done_callback(
            [](const ramie::future<int>& done) { std::printf("callback: %d\n", done.get()); });

        std::printf("map:");
        for (const int each : workers.map(std::vector{5, 1, 4, 2}, slow_square))
            std::printf(" %d", each);
        std::printf("\n");

        try {
            workers.submit([] { return slow_square(13); }).get();
        } catch (const std::runtime_error& e) {
            std::printf("a task that throws: %s\n", e.what());
        }

        int sum = 0;
        for (const auto& each : ramie::as_completed(squares_of(workers, {3, 1, 2})))
            sum += each.get();
        std::printf("as_completed: the sum is %d\n", sum);

        const auto tasks = squares_of(workers, {1, 13, 60, 60});
        const auto [done, pending] = ramie::wait(tasks, ramie::wait_until::first_exception, 10s);
        std::printf("wait: %s\n", tasks[1].done() ? "the failure is there" : "too late");

        // Four run, the others have not begun: they are cancelled, and the four are waited for.
        const auto last = squares_of(workers, std::vector<int>(20, 50));
        workers.shutdown(true, true);
        int cancelled = 0;
        for (const auto& each : last) cancelled += each.cancelled() ? 1 : 0;
        std::printf("shutdown: %s\n", cancelled >= 16 ? "what had not begun was cancelled" : "?");
        try {
            workers.submit([] {});
        } catch (const std::logic_error& e) {
            std::printf("submit after shutdown: %s\n", e.what());
        }
    });
} catch (const std::exception& error) {
    return complain(error);
}
