// The queues: in which order they give items back, and what they say when full or empty.
//
//     queues

#include <chrono>
#include <cstdio>
#include <memory>
#include <ramie/errors.hpp>
#include <ramie/fiber.hpp>
#include <ramie/queue.hpp>
#include <ramie/run.hpp>
#include <string>

#include "complain.hpp"

namespace {

using namespace std::chrono_literals;

template <class Queue>
void show_order(const char* name, Queue queue_of_words) {
    for (const char* word : {"pear", "fig", "apple", "date"}) queue_of_words->put(word);
    std::printf("%s:", name);
    while (const auto word = queue_of_words->try_get()) std::printf(" %s", word->c_str());
    std::printf("\n");
}

// The smaller number first; of equal ones the one that came first.
struct task {
    int priority;
    std::string name;
    bool operator<(const task& other) const { return priority < other.priority; }
};

void show_priorities() {
    ramie::priority_queue<task> tasks;
    for (auto& each :
         {task{5, "sweep"}, task{1, "put out the fire"}, task{5, "dust"}, task{3, "eat"}})
        tasks.put(each);
    tasks.shutdown();
    std::printf("by priority:");
    for (const task& each : tasks) std::printf(" %s;", each.name.c_str());
    std::printf("\n");
}

void show_full_and_empty() {
    ramie::queue<int> q(1);
    std::printf("put: %s\n", q.put(1, 1ms) ? "done" : "full");
    std::printf("put without waiting: %s\n", q.try_put(2) ? "done" : "full");
    std::printf("put with a deadline: %s\n", q.put(2, 1ms) ? "done" : "full");
    std::printf("get: %d\n", q.get());
    std::printf("get without waiting: %s\n", q.try_get() ? "an item" : "empty");
    try {
        q.get(1ms);
    } catch (const ramie::timeout_expired& e) {
        std::printf("get with a deadline: %s\n", e.what());
    }
    q.shutdown();
    try {
        q.put(3);
    } catch (const ramie::queue_shutdown& e) {
        std::printf("put after shutdown: %s\n", e.what());
    }
}

void show_waiting() {
    ramie::queue<int> q(1);
    auto putter = ramie::spawn([&] {
        for (int i = 0; i != 3; ++i) q.put(i);  // waits for room
        q.shutdown();
    });
    std::printf("one by one:");
    for (const int i : q) std::printf(" %d", i);  // waits for items
    std::printf("\n");
    putter.join();
}

}  // namespace

int main() try {
    return ramie::run([] {
        show_order("first in, first out", std::make_unique<ramie::queue<std::string>>());
        show_order("last in, first out", std::make_unique<ramie::lifo_queue<std::string>>());
        show_priorities();
        show_full_and_empty();
        show_waiting();
    });
} catch (const std::exception& error) {
    return complain(error);
}
