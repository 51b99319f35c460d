// What a parked fiber costs, everything counted: parks many at once (1,000,000, or as many as the
// argument says), asks the kernel for this process's memory, and wakes them all.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <ramie/event.hpp>
#include <ramie/fiber.hpp>
#include <ramie/run.hpp>
#include <string>
#include <utility>

namespace {

struct usage {
    double resident = 0;     // bytes
    double page_tables = 0;  // bytes; the kernel's, not part of the resident ones
    long mappings = 0;

    static usage now() {
        usage u;
        std::ifstream status("/proc/self/status");
        for (std::string word; status >> word;) {
            if (word == "VmRSS:") status >> u.resident;
            if (word == "VmPTE:") status >> u.page_tables;
        }
        u.resident *= 1024;
        u.page_tables *= 1024;
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);) ++u.mappings;
        return u;
    }
};

// Of the CPU time that this process has used, the kernel's share included.
class stopwatch {
  public:
    // Nanoseconds for each of `count`, since the last question.
    double lap(std::size_t count) {
        const std::int64_t last = std::exchange(start_, now());
        return static_cast<double>(start_ - last) / static_cast<double>(count);
    }

  private:
    static std::int64_t now() {
        timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return t.tv_sec * 1'000'000'000 + t.tv_nsec;
    }

    std::int64_t start_ = now();
};

void park_and_wake(std::size_t count) {
    ramie::event go;
    ramie::event end;
    std::size_t parked = 0;
    std::size_t left = count;
    ramie::spawn([] {}).join();
    const usage before = usage::now();

    stopwatch watch;
    for (std::size_t i = 0; i != count; ++i)
        ramie::spawn([&] {
            ++parked;
            go.wait();
            if (--left == 0) end.set();
        });
    const double spawning = watch.lap(count);
    while (parked != count) ramie::this_fiber::yield();
    const double parking = watch.lap(count);

    const usage after = usage::now();
    watch.lap(count);
    go.set();
    end.wait();
    const double waking = watch.lap(count);

    const auto each = [count](double bytes) { return bytes / static_cast<double>(count); };
    const double resident = each(after.resident - before.resident);
    const double tables = each(after.page_tables - before.page_tables);
    std::printf("%zu fibers parked, each\n", count);
    std::printf("  %6.0f bytes resident, and %.0f of page tables: %.2f KiB\n", resident, tables,
                (resident + tables) / 1024);
    std::printf(
        "  %6.0f ns of CPU time to spawn, %.0f to its first wait, %.0f from there to its end\n",
        spawning, parking, waking);
    std::printf("%ld mappings more than without fibers\n", after.mappings - before.mappings);
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    return ramie::run([count] { park_and_wake(count); });
}
