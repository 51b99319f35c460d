#include "overflow_handler.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "stack_pool.hpp"
#include "support/stacks.hpp"

namespace ramie::detail {
namespace {

using testing::ExitedWithCode;
using testing::KilledBySignal;

// What the handler is told runs; these tests have no fibers.
std::optional<running_stack> running;

bool describe_running(running_stack& stack) noexcept {
    if (running) stack = *running;
    return running.has_value();
}

// The bodies of the death tests run in a child; a sanitizer's handlers are not what they test.
void install_over(int signal, void (*previous)(int)) {
    struct sigaction before {};
    before.sa_handler = previous;
    ::sigaction(signal, &before, nullptr);
    install_overflow_handler(&describe_running);
}

void install_over(int signal, void (*previous)(int, siginfo_t*, void*)) {
    struct sigaction before {};
    before.sa_sigaction = previous;
    before.sa_flags = SA_SIGINFO;
    ::sigaction(signal, &before, nullptr);
    install_overflow_handler(&describe_running);
}

constexpr std::size_t page = 4 * kib;

// Three pages of it.
std::byte* nowhere() {
    return static_cast<std::byte*>(
        ::mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void touch(std::byte* address) { *static_cast<volatile std::byte*>(address) = std::byte{1}; }

// Past the end of its file a mapping answers with SIGBUS.
std::byte* beyond_a_file() {
    const int file = ::memfd_create("empty", MFD_CLOEXEC);
    return static_cast<std::byte*>(
        ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
}

const std::string report =
    "ramie: stack overflow in fiber 12 \"reader\": its stack is 256 KiB \\(192 KiB usable above "
    "the guard\\); give it more with fiber_options\\{\\.stack_size = \\.\\.\\.\\} or "
    "RAMIE_STACK_SIZE\n$";
const std::string only_the_report = "^" + report;

class overflow_handler : public testing::Test {
  protected:
    void SetUp() override {
        running = {slot_start(stack_), stack_.base, stack_.slot, 12, "reader"};
    }
    void TearDown() override {
        running.reset();
        pool_.release(stack_);
    }

    stack_pool pool_;
    const stack_span stack_ = pool_.allocate(256 * kib);
    std::byte* const in_guard_ = stack_.base - 1;
};

void fault_at(std::byte* address) {
    install_over(SIGSEGV, SIG_DFL);
    touch(address);
}

TEST_F(overflow_handler, names_the_fiber_and_its_stack_and_lets_the_process_die) {
    EXPECT_EXIT(fault_at(in_guard_), KilledBySignal(SIGSEGV), only_the_report);
    EXPECT_EXIT(fault_at(slot_start(stack_)), KilledBySignal(SIGSEGV), only_the_report);
}

// Deep enough for any stack; the compiler may neither drop the frames nor the recursion.
// NOLINTNEXTLINE(misc-no-recursion)
int recurse(int depth) {
    volatile char frame[512] = {};
    frame[0] = static_cast<char>(depth);
    return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

void run_into_the_guard(const stack_span& stack) {
    install_over(SIGSEGV, SIG_DFL);
    const alternate_signal_stack here;
    static ucontext_t main_context, deep;
    ::getcontext(&deep);
    deep.uc_stack = {stack.base, 0, static_cast<std::size_t>(stack.top - stack.base)};
    deep.uc_link = &main_context;
    const auto body = [] { recurse(1'000'000); };
    ::makecontext(&deep, body, 0);
    ::swapcontext(&main_context, &deep);
}

TEST_F(overflow_handler, has_room_to_report_when_the_stack_has_none) {
    EXPECT_EXIT(run_into_the_guard(stack_), KilledBySignal(SIGSEGV), report);
}

TEST_F(overflow_handler, then_leaves_the_fault_to_the_previous_handler) {
    static std::byte* address;
    address = in_guard_;
    const auto overflow = [] {
        install_over(SIGSEGV, [](int, siginfo_t* info, void*) {
            ::_exit(info->si_addr == address ? 7 : 8);
        });
        touch(address);
    };
    EXPECT_EXIT(overflow(), ExitedWithCode(7), only_the_report);
}

TEST_F(overflow_handler, prints_one_line_whatever_the_name) {
    const auto overflow_as = [this](const char* name) {
        running->name = name;
        fault_at(in_guard_);
    };
    EXPECT_EXIT(overflow_as("two\nlines"), KilledBySignal(SIGSEGV),
                "fiber 12 \"two\\?lines\": its[^\n]*RAMIE_STACK_SIZE\n$");
    for (const char* none : {"", static_cast<const char*>(nullptr)})
        EXPECT_EXIT(overflow_as(none), KilledBySignal(SIGSEGV),
                    "fiber 12: its[^\n]*RAMIE_STACK_SIZE\n$");
    EXPECT_EXIT(overflow_as(std::string(10'000, 'x').c_str()), KilledBySignal(SIGSEGV),
                "fiber 12 \"x+\": its[^\n]*RAMIE_STACK_SIZE\n$");
}

TEST_F(overflow_handler, reports_faults_inside_the_guard_only) {
    std::byte* guard = nowhere() + page;
    running->guard_begin = guard;
    running->guard_end = guard + page;
    EXPECT_EXIT(fault_at(guard - 1), KilledBySignal(SIGSEGV), "^$");
    EXPECT_EXIT(fault_at(guard), KilledBySignal(SIGSEGV), "stack overflow");
    EXPECT_EXIT(fault_at(guard + page - 1), KilledBySignal(SIGSEGV), "stack overflow");
    EXPECT_EXIT(fault_at(guard + page), KilledBySignal(SIGSEGV), "^$");
    running.reset();
    EXPECT_EXIT(fault_at(guard), KilledBySignal(SIGSEGV), "^$") << "no fiber runs";
}

TEST_F(overflow_handler, passes_a_fault_elsewhere_to_the_previous_handler) {
    static std::byte* address;
    address = nowhere();
    const auto fault = [] {
        install_over(SIGSEGV, [](int signal, siginfo_t* info, void* context) {
            ::_exit(signal == SIGSEGV && info->si_addr == address && context != nullptr ? 7 : 8);
        });
        touch(address);
    };
    EXPECT_EXIT(fault(), ExitedWithCode(7), "^$");
}

void exit_with(int signal) { ::_exit(signal); }

void fault_over(int signal, void (*previous)(int), std::byte* address) {
    install_over(signal, previous);
    touch(address);
}

TEST_F(overflow_handler, passes_a_fault_elsewhere_to_a_plain_previous_handler) {
    EXPECT_EXIT(fault_over(SIGSEGV, &exit_with, nowhere()), ExitedWithCode(SIGSEGV), "^$");
    EXPECT_EXIT(fault_over(SIGBUS, &exit_with, beyond_a_file()), ExitedWithCode(SIGBUS), "^$");
}

TEST_F(overflow_handler, lets_a_fault_elsewhere_kill_even_when_the_signal_was_ignored) {
    EXPECT_EXIT(fault_over(SIGSEGV, SIG_IGN, nowhere()), KilledBySignal(SIGSEGV), "^$");
}

TEST_F(overflow_handler, is_still_there_after_a_previous_handler_mended_a_fault) {
    static std::byte* address;
    address = nowhere();
    const auto fault_and_overflow = [this] {
        install_over(SIGSEGV, [](int, siginfo_t* info, void*) {
            if (info->si_addr != address) ::_exit(7);
            ::mprotect(address, page, PROT_READ | PROT_WRITE);
        });
        touch(address);
        touch(in_guard_);
    };
    EXPECT_EXIT(fault_and_overflow(), ExitedWithCode(7), only_the_report);
}

TEST_F(overflow_handler, treats_a_signal_from_a_process_as_before) {
    const auto send = [](void (*previous)(int)) {
        install_over(SIGSEGV, previous);
        ::kill(::getpid(), SIGSEGV);
        ::_exit(3);
    };
    EXPECT_EXIT(send(SIG_DFL), KilledBySignal(SIGSEGV), "^$");
    EXPECT_EXIT(send(SIG_IGN), ExitedWithCode(3), "^$");
    EXPECT_EXIT(send(&exit_with), ExitedWithCode(SIGSEGV), "^$");
}

TEST_F(overflow_handler, is_still_there_after_an_ignored_signal) {
    const auto send_and_overflow = [this] {
        install_over(SIGSEGV, SIG_IGN);
        ::kill(::getpid(), SIGSEGV);
        touch(in_guard_);
    };
    EXPECT_EXIT(send_and_overflow(), KilledBySignal(SIGSEGV), only_the_report);
}

// What a process sends may hold anything where a fault has its address.
TEST_F(overflow_handler, takes_no_address_from_a_process) {
    const auto send = [this] {
        install_over(SIGSEGV, SIG_DFL);
        siginfo_t info{};
        info.si_code = SI_QUEUE;
        info.si_addr = in_guard_;
        ::syscall(SYS_rt_sigqueueinfo, ::getpid(), SIGSEGV, &info);
    };
    EXPECT_EXIT(send(), KilledBySignal(SIGSEGV), "^$");
}

TEST_F(overflow_handler, keeps_the_mask_that_the_previous_handler_asked_for) {
    const auto fault = [] {
        struct sigaction before {};
        before.sa_handler = [](int) {
            sigset_t blocked;
            ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
            ::_exit(::sigismember(&blocked, SIGUSR1) == 1 ? 7 : 8);
        };
        ::sigaddset(&before.sa_mask, SIGUSR1);
        ::sigaction(SIGSEGV, &before, nullptr);
        install_overflow_handler(&describe_running);
        touch(nowhere());
    };
    EXPECT_EXIT(fault(), ExitedWithCode(7), "^$");
}

stack_t signal_stack() {
    stack_t current{};
    ::sigaltstack(nullptr, &current);
    return current;
}

// A sanitizer gives its threads one.
class no_signal_stack {
  public:
    no_signal_stack() : before_{signal_stack()} {
        const stack_t none{nullptr, SS_DISABLE, 0};
        ::sigaltstack(&none, nullptr);
    }
    ~no_signal_stack() { ::sigaltstack(&before_, nullptr); }
    no_signal_stack(const no_signal_stack&) = delete;
    no_signal_stack& operator=(const no_signal_stack&) = delete;

  private:
    stack_t before_;
};

TEST(alternate_signal_stack, is_there_while_the_object_lives) {
    const no_signal_stack before;
    stack_t during{};
    {
        const alternate_signal_stack here;
        during = signal_stack();
        EXPECT_EQ(during.ss_flags & SS_DISABLE, 0);
        EXPECT_GE(during.ss_size, 64 * kib);
        auto* begin = static_cast<std::byte*>(during.ss_sp);
        EXPECT_FALSE(accessible(begin - 1)) << "its guard";
        EXPECT_TRUE(accessible(begin));
        EXPECT_TRUE(accessible(begin + during.ss_size - 1));
    }
    EXPECT_NE(signal_stack().ss_flags & SS_DISABLE, 0);
    EXPECT_FALSE(accessible(static_cast<std::byte*>(during.ss_sp)));
}

TEST(alternate_signal_stack, respects_one_that_is_there_already) {
    const no_signal_stack before;
    const alternate_signal_stack first;
    const void* expected = signal_stack().ss_sp;
    {
        const alternate_signal_stack second;
        EXPECT_EQ(signal_stack().ss_sp, expected);
    }
    EXPECT_EQ(signal_stack().ss_sp, expected);
}

TEST(alternate_signal_stack, leaves_one_that_replaced_it) {
    const no_signal_stack before;
    alignas(16) static std::array<std::byte, 64 * kib> other;
    {
        const alternate_signal_stack here;
        const stack_t theirs{other.data(), 0, other.size()};
        ASSERT_EQ(::sigaltstack(&theirs, nullptr), 0);
    }
    EXPECT_EQ(signal_stack().ss_sp, other.data());
}

}  // namespace
}  // namespace ramie::detail
