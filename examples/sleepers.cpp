// Many fibers call libc's sleep at the same time, and wake together.
//
//     sleepers                          two sleep for three seconds, in three seconds
//     sleepers --count 100000           as many as you like
//
// Exit status 1 when it took less than that, or as long as if some had slept one after the other.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>
#include <vector>

#include "complain.hpp"

namespace {

std::chrono::duration<double> time_to_sleep(std::size_t count, unsigned seconds) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<ramie::fiber<>> sleepers;
    for (std::size_t i = 0; i < count; ++i) {
        sleepers.push_back(ramie::spawn([seconds] { sleep(seconds); }));
    }
    ramie::join_all(sleepers);
    return std::chrono::steady_clock::now() - start;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("Fibers that call libc's sleep at the same time");
    std::size_t count = 2;
    unsigned seconds = 3;
    app.add_option("--count", count, "how many")->capture_default_str();
    app.add_option("--seconds", seconds, "how long")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    ramie::monkey::patch_all();
    return ramie::run([=] {
        const double took = time_to_sleep(count, seconds).count();
        std::printf("%zu fibers slept for %u s each: %.3f s in all\n", count, seconds, took);
        const bool together =
            took < static_cast<double>(std::clamp<std::size_t>(count, 2, 10) * seconds);
        return took >= seconds && together ? 0 : 1;
    });
} catch (const std::exception& error) {
    return complain(error);
}
