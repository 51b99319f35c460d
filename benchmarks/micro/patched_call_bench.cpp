// What a patched recv() that finds data costs, on a fiber and off fibers, beside the plain one.
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <string>
#include <thread>

namespace {

// A connection with bytes to be received one by one, filled again while the clock stands.
class full_socket {
  public:
    full_socket() {
        // Once a process has made a thread, libc's calls are slower: so all are measured after
        // that.
        std::thread([] {}).join();
        const int listener = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        socklen_t size = sizeof address;
        auto* const where = reinterpret_cast<sockaddr*>(&address);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sender_ = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(listener, where, size) != 0 || listen(listener, 1) != 0 ||
            getsockname(listener, where, &size) != 0 || connect(sender_, where, size) != 0)
            std::abort();
        receiver_ = accept(listener, nullptr, nullptr);
        close(listener);
    }
    ~full_socket() {
        close(sender_);
        close(receiver_);
    }
    full_socket(const full_socket&) = delete;
    full_socket& operator=(const full_socket&) = delete;

    template <class Receive>
    void receive_again_and_again(benchmark::State& state, Receive receive) {
        char byte;
        for (auto _ : state) {
            if (left_ == 0) refill(state);
            --left_;
            benchmark::DoNotOptimize(receive(receiver_, &byte, 1, 0));
        }
    }

  private:
    void refill(benchmark::State& state) {
        state.PauseTiming();
        const std::string bytes(32'768, 'x');
        if (send(sender_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
            std::abort();
        left_ = bytes.size();
        state.ResumeTiming();
    }

    int sender_;
    int receiver_;
    std::size_t left_ = 0;
};

void recv_plain(benchmark::State& state) {
    full_socket().receive_again_and_again(state, &ramie::monkey::original::recv);
}

void recv_plain_on_a_thread(benchmark::State& state) {
    std::thread([&] {
        full_socket().receive_again_and_again(state, &ramie::monkey::original::recv);
    }).join();
}

void recv_patched_on_fiber(benchmark::State& state) {
    ramie::monkey::patch_all();
    ramie::spawn([&] { full_socket().receive_again_and_again(state, &recv); }).join();
}

void recv_patched_off_fibers(benchmark::State& state) {
    ramie::monkey::patch_all();
    std::thread([&] { full_socket().receive_again_and_again(state, &recv); }).join();
}

BENCHMARK(recv_plain);
BENCHMARK(recv_plain_on_a_thread);
BENCHMARK(recv_patched_on_fiber);
BENCHMARK(recv_patched_off_fibers);

}  // namespace
