// What the programs of this folder share. Each drives one C library that was written to block, in
// many fibers of one thread:
//
//     program SCENARIO PORT FIBERS [ARGUMENT...]
//
// It prints "name value" lines for the test, and ends with 1 and a sentence when anything is wrong.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <ramie/fiber.hpp>
#include <ramie/latch.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace client {

struct arguments {
    int port;
    int fibers;
    std::vector<std::string> rest;
};

struct scenario {
    std::string_view name;
    void (*run)(const arguments&);
};

[[noreturn]] inline void fail(const std::string& why) { throw std::runtime_error(why); }

// Not for what a call says of its own failure: the arguments may be evaluated in any order.
inline void require(bool holds, const std::string& otherwise) {
    if (!holds) fail(otherwise);
}

inline void print(const char* name, long value) { std::printf("%s %ld\n", name, value); }

// After so long what does not come about is said to have failed.
inline constexpr std::chrono::minutes patience(2);

// Where the fibers meet: nobody goes on before all have come, so that what each of them has by
// then, all have at once. One after the other, or in groups, they would wait here in vain.
class meeting {
  public:
    explicit meeting(int fibers) : missing_(static_cast<std::size_t>(fibers)) {}

    // False when the others did not come. Suspends the calling fiber.
    [[nodiscard]] bool come() {
        if (!failed_ && !missing_.arrive_and_wait(patience)) failed_ = true;
        return !failed_;
    }

  private:
    ramie::latch missing_;
    bool failed_ = false;
};

// Counts, of what the server says, until all are there. Returns how many were at once.
template <class Count>
long most_at_once(int all, Count count) {
    const auto start = std::chrono::steady_clock::now();
    long most = 0;
    while (most < all && std::chrono::steady_clock::now() - start < patience) {
        ramie::this_fiber::sleep_for(std::chrono::milliseconds(10));
        most = std::max<long>(most, count());
    }
    return most;
}

inline long threads_of_this_process() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

// Calls work(0) ... work(count - 1), each in a fiber, and prints how long all of them took. When
// some fail, the first is heard: the rest may have failed because of it.
template <class Work>
void in_fibers(int count, Work work) {
    const auto start = std::chrono::steady_clock::now();
    std::exception_ptr failure;
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != count; ++i) {
        fibers.push_back(ramie::spawn([&, i] {
            try {
                work(i);
            } catch (const std::exception&) {
                if (!failure) failure = std::current_exception();
            }
        }));
    }
    ramie::join_all(fibers);
    if (failure) std::rethrow_exception(failure);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("seconds %.3f\n", took.count());
}

inline void run_named(std::span<const scenario> all, std::string_view name,
                      const arguments& given) {
    for (const scenario& each : all) {
        if (each.name == name) return each.run(given);
    }
    throw std::invalid_argument("no scenario is called " + std::string(name));
}

inline int main(int argc, char** argv, std::initializer_list<scenario> all) {
    ramie::monkey::patch_all();
    return ramie::run([&] {
        try {
            require(argc >= 4, "usage: SCENARIO PORT FIBERS [ARGUMENT...]");
            run_named({all.begin(), all.size()}, argv[1],
                      {std::atoi(argv[2]), std::atoi(argv[3]), {argv + 4, argv + argc}});
            return 0;
        } catch (const std::exception& e) {
            std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
            return 1;
        }
    });
}

}  // namespace client
