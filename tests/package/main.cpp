// The smallest program that runs fibers.
#include <ramie/fiber.hpp>
#include <ramie/run.hpp>

int main() {
    return ramie::run([] {
        auto answer = ramie::spawn([] { return 42; });
        return answer.get() == 42 ? 0 : 1;
    });
}
