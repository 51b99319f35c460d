// Memory that fibers take, cannot get, and give back.

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/run.hpp"
#include "support/fiber_test.hpp"
#include "support/stacks.hpp"

namespace {

using namespace std::chrono_literals;
using memory = ramie::test::fiber_test;
using ramie::spawn;
using ramie::detail::kib;
using ramie::detail::kib_field;
using ramie::detail::mib;
using ramie::test::error_of;
namespace this_fiber = ramie::this_fiber;

std::size_t resident() { return kib_field("/proc/self/status", "VmRSS"); }

// What `f` returns, computed in a child process with limits of its own.
int in_a_child(const std::function<int()>& f) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(f());
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    return WEXITSTATUS(status);
}

void limit_address_space_to(std::size_t more) {
    const rlim_t bytes = kib_field("/proc/self/status", "VmSize") + more;
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_AS, &limit);
}

// Spawns until that fails; 0 when it failed as it should and the rest lives on.
int exhaust_and_go_on() {
    limit_address_space_to(64 * mib);
    ramie::event go;
    std::vector<ramie::fiber<int>> fibers;
    fibers.reserve(100'000);
    int error = 0;
    while (error == 0 && fibers.size() != fibers.capacity()) {
        try {
            fibers.push_back(spawn([&] {
                go.wait();
                return 1;
            }));
            this_fiber::yield();
        } catch (const std::system_error& e) {
            error = e.code().value();
        }
    }
    if (error != ENOMEM || fibers.empty()) return 1;
    go.set();
    std::size_t sum = 0;
    for (const auto& f : fibers) sum += static_cast<std::size_t>(f.get());
    if (sum != fibers.size()) return 2;
    fibers.clear();
    return spawn([] { return 5; }).get() == 5 ? 0 : 3;
}

TEST_F(memory, that_cannot_be_had_makes_spawn_throw_and_the_process_lives_on) {
    if (ramie::test::address_sanitizer || ramie::test::thread_sanitizer)
        GTEST_SKIP() << "a sanitizer needs all address space";
    EXPECT_EQ(in_a_child(&exhaust_and_go_on), 0);
}

// What spawn() says when the cap of the guards by mprotect is reached; empty when it failed
// otherwise. The rest lives on.
bool spawn_explains_the_cap() {
    ramie::test::end_scheduler();
    ::setenv("RAMIE_STACK_GUARD", "mprotect", 1);
    // On a thread of its own, whose stacks are guarded as the environment says.
    bool explained = false;
    std::thread([&] {
        ramie::event go;
        std::vector<ramie::fiber<int>> fibers;
        const std::string error = error_of<std::system_error>([&] {
            for (;;) {
                fibers.push_back(spawn({.stack_size = 16 * kib}, [&] {
                    go.wait();
                    return 1;
                }));
                this_fiber::yield();
            }
        });
        go.set();
        ramie::join_all(fibers);
        explained = error.find("exceed the cap of") != error.npos && fibers.size() > 1000;
        fibers.clear();
        explained = explained && spawn([] { return 5; }).get() == 5;
    }).join();
    return explained;
}

TEST_F(memory, of_guards_by_mprotect_has_a_cap_that_spawn_explains) {
    std::size_t limit = 0;
    std::ifstream{"/proc/sys/vm/max_map_count"} >> limit;
    if (limit > 200'000) GTEST_SKIP() << "somebody has raised vm.max_map_count";
    EXPECT_EQ(in_a_child([] { return spawn_explains_the_cap() ? 0 : 1; }), 0);
}

TEST_F(memory, of_a_stack_that_is_out_of_the_question_is_refused) {
    EXPECT_THROW(spawn({.stack_size = std::size_t{1} << 40}, [] {}), std::system_error);
    EXPECT_EQ(ramie::stats().fibers, 0U);
}

TEST_F(memory, of_a_callable_too_large_for_the_stack_is_refused) {
    std::array<char, 200 * 1024> large{};
    const std::string refusal =
        error_of<std::length_error>([&] { spawn([large] { return large[0]; }); });
    EXPECT_NE(refusal.find("stack_size"), std::string::npos) << refusal;
    EXPECT_EQ(spawn({.stack_size = mib}, [large] { return int{large[0]}; }).get(), 0);
}

[[gnu::noinline]] void touch_64_kib() {
    char frame[64 * kib];
    std::memset(frame, 1, sizeof frame);
    asm volatile("" : : "r"(&frame[0]) : "memory");
}

TEST_F(memory, of_stacks_that_lie_idle_is_given_back) {
    if (ramie::test::address_sanitizer) GTEST_SKIP() << "the shadow of the stacks stays";
    const std::size_t before = resident();
    {
        std::vector<ramie::fiber<>> fibers;
        ramie::event go;
        for (int i = 0; i != 10'000; ++i)
            fibers.push_back(spawn([&] {
                touch_64_kib();
                go.wait();
            }));
        this_fiber::yield();
        EXPECT_GT(resident(), before + 10'000 * 64 * kib);
        go.set();
        ramie::join_all(fibers);
    }
    const auto start = std::chrono::steady_clock::now();
    while (resident() > before + 32 * mib) {
        ASSERT_LT(std::chrono::steady_clock::now() - start, 20s)
            << (resident() - before) / mib << " MiB are still there";
        this_fiber::sleep_for(100ms);
    }
}

TEST_F(memory, of_a_parked_fiber_is_one_page) {
    if (ramie::test::address_sanitizer || ramie::test::thread_sanitizer)
        GTEST_SKIP() << "a sanitizer needs more";
    constexpr std::size_t count = 20'000;
    ramie::event go;
    std::vector<ramie::fiber<>> fibers;
    fibers.reserve(count);
    spawn([] {}).join();
    const std::size_t before = resident();
    for (std::size_t i = 0; i != count; ++i) fibers.push_back(spawn([&] { go.wait(); }));
    this_fiber::yield();
    const std::size_t each = (resident() - before) / count;
    EXPECT_LE(each, 4608U);
    go.set();
    ramie::join_all(fibers);
}

TEST_F(memory, is_used_again_by_the_next_fiber) {
    for (int i = 0; i != 100; ++i) spawn([] {}).join();
    const auto before = ramie::stats();
    for (int i = 0; i != 10'000; ++i) spawn([] { touch_64_kib(); }).join();
    const auto after = ramie::stats();
    EXPECT_EQ(after.stacks_in_use + after.stacks_free, before.stacks_in_use + before.stacks_free);
}

}  // namespace
