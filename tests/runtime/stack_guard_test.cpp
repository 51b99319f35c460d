#include "stack_guard.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <system_error>

#include "stack_pool.hpp"
#include "support/stacks.hpp"

namespace ramie::detail {
namespace {

constexpr guard_kind kinds[] = {guard_kind::automatic, guard_kind::mprotect};

// Only the child of a death test gets here.
void write_to(std::byte* address) {
    std::signal(SIGSEGV, SIG_DFL);  // a sanitizer's handler would exit instead
    *static_cast<volatile std::byte*>(address) = std::byte{1};
    ::_exit(0);
}

TEST(stack_guard, faults_at_both_ends) {
    for (const guard_kind kind : kinds) {
        stack_pool pool{kind};
        const borrowed_stacks stacks{pool, 2, 256 * kib};
        const stack_span stack = stacks.all().back();
        EXPECT_EXIT(write_to(&stack.base[-1]), testing::KilledBySignal(SIGSEGV), "");
        EXPECT_EXIT(write_to(slot_start(stack)), testing::KilledBySignal(SIGSEGV), "");
        EXPECT_EXIT(write_to(stack.base), testing::ExitedWithCode(0), "");
    }
}

TEST(stack_guard, survives_that_the_memory_is_given_back) {
    for (const guard_kind kind : kinds) {
        stack_pool pool{kind};
        const borrowed_stacks kept{pool, 1, 256 * kib};
        borrow_once(pool, 63, 256 * kib);
        pool.trim(0);
        pool.trim(stack_pool::trim_interval);
        EXPECT_EQ(pool.stats().free_cold, 63 - stack_pool::trim_reserve);
        const borrowed_stacks again{pool, 63, 256 * kib};
        for (const stack_span& stack : again.all()) {
            EXPECT_FALSE(accessible(&stack.base[-1]));
            EXPECT_TRUE(accessible(stack.base));
        }
    }
}

TEST(stack_guard, by_mprotect_has_a_cap_that_names_the_sysctl) {
    const stack_guard guard{guard_kind::mprotect, 8};
    {
        stack_pool pool{guard};
        const borrowed_stacks stacks{pool, 7, 64 * kib};
        const stack_span last = pool.allocate(64 * kib);
        const std::string error = error_of(pool, 64 * kib, ENOMEM);
        EXPECT_NE(error.find("cap of 8 stacks"), std::string::npos) << error;
        EXPECT_NE(error.find("vm.max_map_count"), std::string::npos) << error;
        EXPECT_EQ(pool.stats().in_use, 8u);
        pool.release(last);
        EXPECT_EQ(error_of(pool, 64 * kib, 0), "no error") << "a guarded one is free";
        pool.release(last);
    }
    stack_pool next{guard};
    borrow_once(next, 8, 64 * kib);
}

TEST(stack_guard, by_mprotect_is_taken_from_free_stacks_of_another_size) {
    stack_pool pool{stack_guard{guard_kind::mprotect, 8}};
    for (const std::size_t size : {64 * kib, 16 * kib, 256 * kib, 64 * kib}) {
        borrow_once(pool, 8, size);
        const borrowed_stacks stacks{pool, 8, size};
        EXPECT_NE(error_of(pool, 32 * kib, ENOMEM).find("cap of 8 stacks"), std::string::npos);
        EXPECT_EQ(pool.stats().in_use, 8u);
        for (const stack_span& stack : stacks.all()) EXPECT_FALSE(accessible(&stack.base[-1]));
    }
}

TEST(stack_guard, by_mprotect_stays_below_half_of_the_mappings) {
    std::size_t limit = 0;
    std::ifstream{"/proc/sys/vm/max_map_count"} >> limit;
    const std::size_t cap = stack_guard{guard_kind::mprotect}.mprotect_cap();
    EXPECT_EQ(cap, limit * 9 / 20);
    // Somebody may have raised the limit to more than fits into the time of a test.
    const stack_guard guard{guard_kind::mprotect, std::min<std::size_t>(cap, 100'000)};
    stack_pool pool{guard};
    const borrowed_stacks stacks{pool, guard.mprotect_cap(), 16 * kib};
    EXPECT_LT(mappings(), limit);
    EXPECT_NE(error_of(pool, 16 * kib, ENOMEM).find("vm.max_map_count"), std::string::npos);
}

TEST(stack_guard, can_be_chosen_by_the_environment) {
    ::setenv("RAMIE_STACK_GUARD", "mprotect", 1);
    EXPECT_EQ(stack_guard{}.kind(), guard_kind::mprotect);
    ::setenv("RAMIE_STACK_GUARD", "none", 1);
    EXPECT_THROW(stack_guard{}, std::system_error);
    EXPECT_EQ(stack_guard{guard_kind::mprotect}.kind(), guard_kind::mprotect);
    ::unsetenv("RAMIE_STACK_GUARD");
    EXPECT_NE(stack_guard{}.kind(), guard_kind::automatic);
}

}  // namespace
}  // namespace ramie::detail
