// Several producers and several consumers, and the two ways to know when it is over.
//
//     producers            every item is made and used once, both ways

#include <cstdio>
#include <optional>
#include <ramie/fiber.hpp>
#include <ramie/queue.hpp>
#include <ramie/run.hpp>
#include <vector>

#include "complain.hpp"

namespace {

constexpr int producers = 3;
constexpr int consumers = 4;
constexpr int items_each = 1000;

long expected_sum() { return long{producers} * items_each * (items_each - 1) / 2; }

// An end marker: nothing. One for each consumer, behind the last item.
long with_end_markers() {
    ramie::queue<std::optional<int>> items(10);
    long sum = 0;
    std::vector<ramie::fiber<>> makers;
    std::vector<ramie::fiber<>> users;
    for (int p = 0; p != producers; ++p)
        makers.push_back(ramie::spawn([&] {
            for (int i = 0; i != items_each; ++i) items.put(i);  // waits while there is no room
        }));
    for (int c = 0; c != consumers; ++c)
        users.push_back(ramie::spawn([&] {
            while (const auto item = items.get()) sum += *item;
        }));
    ramie::join_all(makers);
    for (int c = 0; c != consumers; ++c) items.put(std::nullopt);
    ramie::join_all(users);
    return sum;
}

// The queue knows what was put and not yet done. The consumers never end; they are killed.
long with_a_joinable_queue() {
    ramie::joinable_queue<int> items(10);
    long sum = 0;
    std::vector<ramie::fiber<>> makers;
    std::vector<ramie::fiber<>> users;
    for (int p = 0; p != producers; ++p)
        makers.push_back(ramie::spawn([&] {
            for (int i = 0; i != items_each; ++i) items.put(i);
        }));
    for (int c = 0; c != consumers; ++c)
        users.push_back(ramie::spawn([&] {
            for (const int item : items) {
                ramie::this_fiber::yield();
                sum += item;
                items.task_done();
            }
        }));
    ramie::join_all(makers);
    items.join();
    ramie::kill_all(users);
    return sum;
}

bool report(const char* way, long sum) {
    std::printf("%s: the sum is %ld, expected %ld\n", way, sum, expected_sum());
    return sum == expected_sum();
}

}  // namespace

int main() try {
    return ramie::run([] {
        const bool first = report("end markers", with_end_markers());
        const bool second = report("a joinable queue", with_a_joinable_queue());
        return first && second ? 0 : 1;
    });
} catch (const std::exception& error) {
    return complain(error);
}
