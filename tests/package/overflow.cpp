// A frame that is larger than its fiber's stack and the guard below it.
#include <ramie/fiber.hpp>
#include <ramie/run.hpp>

namespace {

[[gnu::noinline]] int large_frame() {
    volatile char frame[40 * 1024];
    frame[0] = 1;
    frame[sizeof frame - 1] = 2;
    return frame[0] + frame[sizeof frame - 1];
}

}  // namespace

int main() {
    return ramie::run([] {
        const auto greedy = ramie::spawn({.name = "greedy", .stack_size = 16 * 1024}, &large_frame);
        return greedy.get() == 3 ? 0 : 1;
    });
}
