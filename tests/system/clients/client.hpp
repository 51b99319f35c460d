// What the programs of this folder share. Each drives one C library that was written to block, in
// many fibers of one thread:
//
//     program SCENARIO PORT FIBERS [ARGUMENT...]
//
// It prints "name value" lines for the test, and ends with 1 and a sentence when anything is wrong.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <initializer_list>
#include <ramie/fiber.hpp>
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

// Calls work(0) ... work(count - 1), each in a fiber, and prints how long all of them took.
template <class Work>
void in_fibers(int count, Work work) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != count; ++i) fibers.push_back(ramie::spawn(work, i));
    for (const ramie::fiber<>& each : fibers) each.get();
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
