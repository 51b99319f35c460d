// What a patched recv() that finds data costs, on a fiber and off fibers, beside the plain one.
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <thread>

namespace {

// A socket that always has a byte for who only looks.
class full_socket {
  public:
    full_socket() {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) != 0 || send(ends_[1], "x", 1, 0) != 1)
            std::abort();
    }
    ~full_socket() {
        close(ends_[0]);
        close(ends_[1]);
    }
    full_socket(const full_socket&) = delete;
    full_socket& operator=(const full_socket&) = delete;

    template <class Receive>
    void look_again_and_again(benchmark::State& state, Receive receive) {
        char byte;
        for (auto _ : state) benchmark::DoNotOptimize(receive(ends_[0], &byte, 1, MSG_PEEK));
    }

  private:
    int ends_[2];
};

void recv_plain(benchmark::State& state) {
    full_socket().look_again_and_again(state, &ramie::monkey::original::recv);
}

void recv_patched_on_fiber(benchmark::State& state) {
    ramie::monkey::patch_all();
    ramie::spawn([&] { full_socket().look_again_and_again(state, &recv); }).join();
}

void recv_patched_off_fibers(benchmark::State& state) {
    ramie::monkey::patch_all();
    std::thread([&] { full_socket().look_again_and_again(state, &recv); }).join();
}

BENCHMARK(recv_plain);
BENCHMARK(recv_patched_on_fiber);
BENCHMARK(recv_patched_off_fibers);

}  // namespace
