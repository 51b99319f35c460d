// What locking and unlocking a free pthread mutex costs when locks are patched, off fibers and on
// one, beside the plain calls.
#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <pthread.h>

#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <thread>

namespace {

using call = int(pthread_mutex_t*);

template <class Lock, class Unlock>
void lock_and_unlock(benchmark::State& state, Lock lock, Unlock unlock) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    for (auto _ : state) {
        benchmark::DoNotOptimize(lock(&m));
        benchmark::DoNotOptimize(unlock(&m));
    }
}

void mutex_plain(benchmark::State& state) {
    auto* const lock = reinterpret_cast<call*>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
    auto* const unlock = reinterpret_cast<call*>(dlsym(RTLD_NEXT, "pthread_mutex_unlock"));
    // libc is faster while a process has one thread.
    std::thread([&] { lock_and_unlock(state, lock, unlock); }).join();
}

void mutex_patched_off_fibers(benchmark::State& state) {
    ramie::monkey::patch_all();
    std::thread([&] { lock_and_unlock(state, &pthread_mutex_lock, &pthread_mutex_unlock); }).join();
}

void mutex_patched_on_fiber(benchmark::State& state) {
    ramie::monkey::patch_all();
    std::thread([&] {
        ramie::spawn([&] {
            lock_and_unlock(state, &pthread_mutex_lock, &pthread_mutex_unlock);
        }).join();
    }).join();
}

BENCHMARK(mutex_plain);
BENCHMARK(mutex_patched_off_fibers);
BENCHMARK(mutex_patched_on_fiber);

}  // namespace
