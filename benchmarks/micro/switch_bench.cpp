// What a one-way switch by yield costs with 2, 1,000 and 10,000 fibers, beside the bare jump of
// Boost.Context; a thread's switch is hand_over<threads>.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contenders.hpp"

namespace {

// The main fiber is one of them: its yield comes back after a switch for each.
template <class Contender>
void yield(benchmark::State& state) {
    const std::int64_t fibers = state.range(0);
    bool stop = false;
    auto keep_yielding = [&stop] {
        while (!stop) Contender::yield();
    };
    std::vector<decltype(Contender::spawn(keep_yielding))> others;
    for (std::int64_t i = 1; i < fibers; ++i) others.push_back(Contender::spawn(keep_yielding));
    while (state.KeepRunningBatch(fibers)) Contender::yield();
    stop = true;
    for (auto& other : others) other.join();
}

// Contexts that jump in a circle, with nothing that a scheduler would do in between.
class context_ring {
  public:
    explicit context_ring(std::size_t size) : contexts_(size), stacks_bytes_(size * stack_size) {
        stacks_ = mmap(nullptr, stacks_bytes_, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        auto* top = static_cast<std::byte*>(stacks_);
        for (auto& each : contexts_)
            each = boost::context::detail::make_fcontext(top += stack_size, stack_size, &go_round);
    }
    // The contexts hold nothing that would have to be unwound.
    ~context_ring() { munmap(stacks_, stacks_bytes_); }
    context_ring(const context_ring&) = delete;
    context_ring& operator=(const context_ring&) = delete;

    // The caller stands for the first context.
    void jump_to_next() {
        running_ = running_ + 1 == contexts_.size() ? 0 : running_ + 1;
        keep(boost::context::detail::jump_fcontext(contexts_[running_], this));
    }

  private:
    static constexpr std::size_t stack_size = 16 * 1024;

    static void go_round(boost::context::detail::transfer_t from) {
        auto& ring = *static_cast<context_ring*>(from.data);
        ring.keep(from);
        for (;;) ring.jump_to_next();
    }

    // Where the one before the running context goes on.
    void keep(boost::context::detail::transfer_t from) {
        contexts_[running_ == 0 ? contexts_.size() - 1 : running_ - 1] = from.fctx;
    }

    std::vector<boost::context::detail::fcontext_t> contexts_;
    std::size_t stacks_bytes_;
    void* stacks_;
    std::size_t running_ = 0;
};

void fcontext_jump(benchmark::State& state) {
    context_ring ring(static_cast<std::size_t>(state.range(0)));
    while (state.KeepRunningBatch(state.range(0))) ring.jump_to_next();
}

BENCHMARK(fcontext_jump)->Arg(2)->Arg(1'000)->Arg(10'000);
BENCHMARK(yield<ramie_fibers>)->Arg(2)->Arg(1'000)->Arg(10'000);
BENCHMARK(yield<boost_fibers>)->Arg(2)->Arg(1'000)->Arg(10'000);

}  // namespace
