// What a switch owes a fiber: its exceptions, and a stack that debuggers can read.

#include "context.hpp"

#include <execinfo.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "ramie/fiber.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace std::chrono_literals;
using context = ramie::test::virtual_time_test;
using ramie::spawn;
using ramie::test::count_of;
namespace this_fiber = ramie::this_fiber;

std::string message_of(const std::exception_ptr& error) {
    if (error == nullptr) return "none";
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

void expect_exception(const std::string& expected) {
    EXPECT_EQ(message_of(std::current_exception()), expected);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
}

// Others run at every step, and handle exceptions of their own meanwhile.
void handle_while_others_run(const std::string& name) {
    try {
        throw std::runtime_error(name);
    } catch (const std::exception& e) {
        for (int i = 0; i != 3; ++i) {
            this_fiber::yield();
            EXPECT_EQ(e.what(), name);
            expect_exception(name);
        }
        try {
            throw std::runtime_error("inner " + name);
        } catch (...) {
            this_fiber::sleep_for(1s);
            expect_exception("inner " + name);
        }
        this_fiber::yield();
        expect_exception(name);
    }
    expect_exception("none");
}

struct unwinding {
    ~unwinding() {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        this_fiber::yield();
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        handle_inside();
        this_fiber::sleep_for(1s);
        EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
    void handle_inside() const {
        try {
            throw std::runtime_error("inside " + name);
        } catch (const std::exception& e) {
            this_fiber::yield();
            EXPECT_EQ(e.what(), "inside " + name);
            EXPECT_EQ(std::uncaught_exceptions(), 1);
        }
    }
    std::string name;
};

void unwind_while_others_run(const std::string& name) {
    try {
        const unwinding local{name};
        throw std::runtime_error(name);
    } catch (...) {
        this_fiber::yield();
        expect_exception(name);
    }
    expect_exception("none");
}

TEST_F(context, keeps_each_fiber_s_exceptions_apart) {
    std::vector<ramie::fiber<>> fibers;
    for (int i = 0; i != 200; ++i)
        fibers.push_back(spawn([i] {
            expect_exception("none");
            const std::string name = "fiber " + std::to_string(i);
            for (int round = 0; round != 3; ++round) {
                if ((i + round) % 2 == 0)
                    handle_while_others_run(name);
                else
                    unwind_while_others_run(name);
                if (i % 3 == 0) this_fiber::yield();
            }
        }));
    try {
        throw std::runtime_error("main");
    } catch (...) {
        ramie::join_all(fibers);
        expect_exception("main");
    }
    expect_exception("none");
}

TEST_F(context, starts_a_fiber_without_the_exceptions_of_who_spawned_it) {
    try {
        throw std::runtime_error("spawner");
    } catch (...) {
        spawn([] { expect_exception("none"); }).join();
    }
    struct spawn_while_unwinding {
        ~spawn_while_unwinding() {
            spawn([] { expect_exception("none"); }).join();
        }
    };
    try {
        const spawn_while_unwinding local;
        throw std::runtime_error("spawner");
    } catch (...) {
        expect_exception("spawner");
    }
}

TEST_F(context, lets_a_fiber_rethrow_after_it_was_suspended) {
    auto f = spawn([] {
        try {
            throw std::runtime_error("boom");
        } catch (...) {
            spawn(&handle_while_others_run, "other");
            this_fiber::sleep_for(1s);
            throw;
        }
    });
    EXPECT_EQ(ramie::test::error_of([&] { f.get(); }), "boom");
    this_fiber::sleep_for(5s);
}

TEST_F(context, ends_a_backtrace_at_the_fiber_s_entry) {
    if (ramie::test::address_sanitizer) GTEST_SKIP() << "its backtrace() is another one";
    auto f = spawn([] {
        std::array<void*, 64> frames{};
        const int n = ::backtrace(frames.data(), static_cast<int>(frames.size()));
        EXPECT_LT(n, 30);
        char** const names = ::backtrace_symbols(frames.data(), n);
        const std::string last = n == 0 ? "" : names[n - 1];
        std::free(static_cast<void*>(names));
        return last;
    });
    // The last frame is in our code or in this program, never some word that lies above the stack.
    EXPECT_NE(f.get().find("tests"), std::string::npos) << f.get();
}

// A fiber stops here, for the debugger to look at.
[[gnu::noinline]] void here_we_are() {
    ::raise(SIGSTOP);
    asm volatile("");  // no tail call: the frame is to be seen
}

std::string output_of(const std::string& command) {
    std::string text;
    std::FILE* const out = ::popen(command.c_str(), "re");
    std::array<char, 4096> block{};
    while (const auto n = std::fread(block.data(), 1, block.size(), out)) text.append(&block[0], n);
    ::pclose(out);
    return text;
}

// Where AddressSanitizer looks for uses after return it keeps locals elsewhere, on fake stacks, of
// which every fiber has one: the test is run with that as well, see CMakeLists.txt.
[[gnu::noinline]] int sum_across_switches(int depth) {
    std::array<int, 16> mine;
    mine.fill(depth);
    int* volatile escaped = mine.data();
    this_fiber::yield();
    const int below = depth == 0 ? 0 : sum_across_switches(depth - 1);
    this_fiber::yield();
    return below + std::accumulate(escaped, escaped + mine.size(), 0);
}

TEST_F(context, keeps_the_locals_of_each_fiber_apart) {
    std::vector<ramie::fiber<int>> all;
    for (int depth = 0; depth != 20; ++depth) all.push_back(spawn(&sum_across_switches, depth));
    const auto killed = spawn(&sum_across_switches, 20);
    for (int i = 0; i != 10; ++i) this_fiber::yield();
    EXPECT_TRUE(killed.kill());
    const auto late = spawn(&sum_across_switches, 3);  // on the stack of the killed one
    for (int depth = 0; depth != 20; ++depth)
        EXPECT_EQ(all[static_cast<std::size_t>(depth)].get(), 16 * depth * (depth + 1) / 2);
    EXPECT_EQ(late.get(), 96);
}

TEST_F(context, ends_gdb_s_backtrace_at_the_fiber_s_entry) {
    if (std::system("gdb --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "gdb is not installed";
    if (ramie::test::address_sanitizer || ramie::test::thread_sanitizer)
        GTEST_SKIP() << "gdb takes minutes to read an instrumented program";
    const pid_t child = ::fork();
    if (child == 0) {
        spawn([] { here_we_are(); }).join();
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
    const std::string text =
        output_of("gdb -batch -nx -iex 'set debuginfod enabled off' -ex bt -p " +
                  std::to_string(child) + " 2>&1");
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    if (text.find("ptrace: ") != std::string::npos) GTEST_SKIP() << "ptrace is not permitted";

    EXPECT_EQ(count_of("here_we_are", text), 1) << text;
    const auto last = text.rfind("\n#");
    ASSERT_NE(last, std::string::npos) << text;
    EXPECT_NE(text.find("ramie::detail::scheduler::enter", last), std::string::npos) << text;
    EXPECT_EQ(count_of("Backtrace stopped", text), 0) << text;
}

TEST_F(context, refuses_a_shadow_stack_and_names_the_remedy) {
    constexpr long enabled = 1;
    constexpr long writable = 2;
    EXPECT_NO_THROW(ramie::detail::refuse_shadow_stack(-1));
    EXPECT_NO_THROW(ramie::detail::refuse_shadow_stack(0));
    EXPECT_NO_THROW(ramie::detail::refuse_shadow_stack(writable));
    EXPECT_NO_THROW(ramie::detail::refuse_shadow_stack(ramie::detail::shadow_stack_status()));
    for (const long status : {enabled, enabled | writable}) {
        try {
            ramie::detail::refuse_shadow_stack(status);
            ADD_FAILURE() << "it was not refused";
        } catch (const std::system_error& e) {
            EXPECT_EQ(e.code().value(), ENOTSUP);
            EXPECT_NE(std::string(e.what()).find("GLIBC_TUNABLES"), std::string::npos);
        }
    }
}

}  // namespace
