// The locks, and what each is for.
//
//     locks            the last part runs into a deadlock of two locks, which is explained

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <ramie/event.hpp>
#include <ramie/fiber.hpp>
#include <ramie/lock.hpp>
#include <ramie/run.hpp>
#include <ramie/timer.hpp>
#include <vector>

#include "complain.hpp"

namespace {

using namespace std::chrono_literals;
namespace this_fiber = ramie::this_fiber;

// Between the read and the write others run: without the lock their sums would be lost.
void a_mutex() {
    ramie::mutex m;
    int balance = 0;
    std::vector<ramie::fiber<>> depositors;
    for (int i = 0; i != 100; ++i)
        depositors.push_back(ramie::spawn([&] {
            const std::lock_guard held(m);
            const int read = balance;
            this_fiber::yield();
            balance = read + 1;
        }));
    ramie::join_all(depositors);
    std::printf("mutex: 100 deposits make %d\n", balance);
}

// A function that locks may call another that locks the same.
void a_recursive_mutex() {
    ramie::recursive_mutex m;
    const auto inner = [&] { const std::lock_guard held(m); };
    const std::lock_guard held(m);
    inner();
    std::printf("recursive_mutex: taken twice by one fiber\n");
}

void a_semaphore() {
    ramie::semaphore seats(5);
    int seated = 0;
    int most = 0;
    std::vector<ramie::fiber<>> guests;
    for (int i = 0; i != 20; ++i)
        guests.push_back(ramie::spawn([&] {
            const std::lock_guard seat(seats);
            most = std::max(most, ++seated);
            this_fiber::sleep_for(1ms);
            --seated;
        }));
    ramie::join_all(guests);
    std::printf("semaphore: of 20 never more than %d at a time\n", most);
}

// The connector tries again and again until the checker has found the server well.
void an_event() {
    ramie::event server_is_up;
    auto connector = ramie::spawn([&] {
        for (int attempt = 1; attempt <= 3; ++attempt) {
            if (server_is_up.wait(20ms)) return true;
            std::printf("event: attempt %d to connect, not yet\n", attempt);
        }
        return false;
    });
    auto checker = ramie::spawn([&] {
        this_fiber::sleep_for(50ms);
        server_is_up.set();
    });
    std::printf("event: %s\n", connector.get() ? "connected" : "gave up");
    checker.join();
}

void a_timer() {
    int ticks = 0;
    ramie::event enough;
    const ramie::timer clock(1ms, 1ms, [&] {
        if (++ticks == 3) enough.set();
    });
    enough.wait();
    std::printf("timer: %d ticks\n", ticks);
}

void take_both(ramie::mutex& first, ramie::mutex& second) {
    const std::lock_guard one(first);
    this_fiber::yield();
    const std::lock_guard two(second);
}

// Each has what the other wants. Nothing will ever happen, so the main fiber is told who waits for
// whom.
void two_locks() {
    ramie::mutex noodles;
    ramie::mutex fork;
    auto alice = ramie::spawn({.name = "alice"}, [&] { take_both(noodles, fork); });
    auto bob = ramie::spawn({.name = "bob"}, [&] { take_both(fork, noodles); });
    try {
        ramie::join_all(std::vector{alice, bob});
    } catch (const ramie::deadlock_error& e) {
        std::printf("%s\n", e.what());
    }
    ramie::kill_all(std::vector{alice, bob});

    // The remedy: the same order everywhere, or both at once.
    const auto eat = [&] { const std::scoped_lock both(noodles, fork); };
    ramie::join_all(std::vector{ramie::spawn(eat), ramie::spawn(eat)});
    std::printf("scoped_lock: both have eaten\n");
}

}  // namespace

int main() try {
    return ramie::run([] {
        a_mutex();
        a_recursive_mutex();
        a_semaphore();
        an_event();
        a_timer();
        two_locks();
    });
} catch (const std::exception& error) {
    return complain(error);
}
