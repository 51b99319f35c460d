#include "stack_pool.hpp"

#include <gtest/gtest.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "support/sanitizers.hpp"
#include "support/stacks.hpp"

namespace ramie::detail {
namespace {

constexpr bool sanitized = test::address_sanitizer || test::thread_sanitizer;
constexpr std::size_t page = 4 * kib;
constexpr std::int64_t interval = stack_pool::trim_interval;

// The pages of a slot that are in memory; nothing if the slot is not mapped.
std::optional<std::size_t> resident_pages(const stack_span& stack) {
    std::vector<unsigned char> pages(stack.slot / page);
    if (::mincore(slot_start(stack), stack.slot, pages.data()) != 0) return std::nullopt;
    return std::count_if(pages.begin(), pages.end(), [](auto each) { return (each & 1) != 0; });
}

// All the steps that are due at that time.
bool trim_at(stack_pool& pool, std::int64_t now) {
    bool more = pool.trim(now);
    while (pool.trim_delay() == 0) more = pool.trim(now);
    return more;
}

TEST(stack_pool, hands_out_the_last_released_stack_first) {
    stack_pool pool;
    const stack_span first = pool.allocate(256 * kib);
    const stack_span second = pool.allocate(256 * kib);
    pool.release(first);
    pool.release(second);
    EXPECT_EQ(pool.allocate(256 * kib).base, second.base);
    EXPECT_EQ(pool.allocate(256 * kib).base, first.base);
}

TEST(stack_pool, rounds_sizes_up_to_a_power_of_two_with_a_guard_inside) {
    struct expectation {
        std::size_t size, slot, guard;
    };
    stack_pool pool;
    for (const auto& [size, slot, guard] : {expectation{0, 16 * kib, 4 * kib},
                                            {16 * kib, 16 * kib, 4 * kib},
                                            {16 * kib + 1, 32 * kib, 8 * kib},
                                            {256 * kib, 256 * kib, 64 * kib},
                                            {3 * mib, 4 * mib, 64 * kib},
                                            {1024 * mib, 1024 * mib, 64 * kib}}) {
        const stack_span stack = pool.allocate(size);
        EXPECT_EQ(stack.slot, slot);
        EXPECT_EQ(stack.guard, guard);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slot_start(stack)) % slot, 0u);
        const std::byte* end = slot_start(stack) + slot;
        EXPECT_LE(stack.top, end);
        EXPECT_GE(stack.top, end - 2 * kib);
        *stack.base = stack.top[-1] = std::byte{1};
    }
}

TEST(stack_pool, stacks_of_different_sizes_do_not_mix) {
    stack_pool pool;
    const stack_span small = pool.allocate(16 * kib);
    pool.release(small);
    EXPECT_NE(pool.allocate(32 * kib).base, small.base);
    EXPECT_EQ(pool.allocate(16 * kib).base, small.base);
}

TEST(stack_pool, refuses_a_stack_of_more_than_1_gib) {
    stack_pool pool;
    EXPECT_NE(error_of(pool, 1024 * mib + 1, EINVAL).find("the largest is 1 GiB"),
              std::string::npos);
}

TEST(stack_pool, gives_neighbours_different_colours) {
    stack_pool pool;
    std::set<std::size_t> colours;
    for (int i = 0; i != 33; ++i) {
        const stack_span stack = pool.allocate(256 * kib);
        const auto colour = static_cast<std::size_t>(slot_start(stack) + stack.slot - stack.top);
        EXPECT_EQ(colour % 64, 0u);
        EXPECT_LE(colour, 2 * kib);
        colours.insert(colour);
    }
    EXPECT_EQ(colours.size(), 33u);
}

TEST(stack_pool, release_leaves_the_contents_alone) {
    stack_pool pool;
    const stack_span stack = pool.allocate(16 * kib);
    std::fill(stack.base, stack.top, std::byte{0x5a});
    pool.release(stack);
    EXPECT_TRUE(std::all_of(stack.base, stack.top, [](auto b) { return b == std::byte{0x5a}; }));
}

TEST(stack_pool, forgets_the_red_zones_of_frames_that_never_returned) {
    stack_pool pool;
    const stack_span stack = pool.allocate(16 * kib);
    ASAN_POISON_MEMORY_REGION(stack.base, static_cast<std::size_t>(stack.top - stack.base));
    pool.release(stack);
    const stack_span again = pool.allocate(16 * kib);
    ASSERT_EQ(again.base, stack.base);
    std::fill(again.base, again.top, std::byte{1});
}

TEST(stack_pool, counts_what_it_has) {
    stack_pool pool;
    EXPECT_EQ(pool.stats().mapped_bytes, 0u);
    borrowed_stacks stacks{pool, 100, 64 * kib};
    const auto full = pool.stats();
    EXPECT_EQ(full.in_use, 100u);
    EXPECT_EQ(full.free_warm, 0u);
    EXPECT_GE(full.mapped_bytes, (full.in_use + full.free_cold) * 64 * kib);
    stacks.release();
    const auto empty = pool.stats();
    EXPECT_EQ(empty.in_use, 0u);
    EXPECT_EQ(empty.free_warm, 100u);
    EXPECT_EQ(empty.free_cold, full.free_cold);
    EXPECT_EQ(empty.mapped_bytes, full.mapped_bytes);
}

TEST(stack_pool, unmaps_its_memory_when_it_goes) {
    stack_span stack;
    {
        stack_pool pool;
        stack = pool.allocate(256 * kib);
        EXPECT_EQ(resident_pages(stack), 0u);
        pool.release(stack);
    }
    EXPECT_EQ(resident_pages(stack), std::nullopt);
}

TEST(stack_pool, leaves_its_memory_when_a_stack_is_still_out) {
    stack_span kept;
    {
        stack_pool pool;
        pool.release(pool.allocate(256 * kib));
        kept = pool.allocate(256 * kib);
        *kept.base = std::byte{1};
    }
    EXPECT_EQ(resident_pages(kept), 1u);
    *kept.base = std::byte{2};
}

// Leaves the process `more` bytes of address space.
void limit_address_space(std::size_t more) {
    const rlimit limit{kib_field("/proc/self/status", "VmSize") + more, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(2);
}

void use_up_the_address_space() {
    void* ballast = ::mmap(nullptr, 64 * mib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    limit_address_space(100 * mib);
    stack_pool pool;
    std::vector<stack_span> stacks;
    std::string error;
    try {
        for (;;) stacks.push_back(pool.allocate(8 * mib));
    } catch (const std::system_error& refused) {
        if (refused.code().value() == ENOMEM) error = refused.what();
    }
    const bool explained = error.find("8388608 bytes") != std::string::npos;
    const bool counted = pool.stats().in_use == stacks.size();
    ::munmap(ballast, 64 * mib);
    pool.allocate(8 * mib);
    ::_exit(stacks.size() > 3 && explained && counted ? 0 : 1);
}

TEST(stack_pool, without_memory_throws_and_later_goes_on) {
    EXPECT_EXIT(use_up_the_address_space(), testing::ExitedWithCode(0), "");
}

TEST(stack_pool, forbids_huge_pages) {
    stack_pool pool;
    const stack_span stack = pool.allocate(256 * kib);
    std::ifstream smaps{"/proc/self/smaps"};
    bool here = false;
    for (std::string line; std::getline(smaps, line);) {
        std::uintptr_t from = 0, to = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) {
            const auto address = reinterpret_cast<std::uintptr_t>(stack.base);
            here = from <= address && address < to;
        } else if (here && line.rfind("VmFlags:", 0) == 0) {
            EXPECT_NE(line.find(" nh"), std::string::npos) << line;
            return;
        }
    }
    FAIL() << "the stack is in no mapping";
}

TEST(stack_pool, gives_back_what_an_interval_did_not_need) {
    stack_pool pool;
    EXPECT_FALSE(pool.trim(0));
    borrowed_stacks stacks{pool, 1000, 256 * kib};
    const auto spike = stacks.all();
    stacks.release();

    EXPECT_TRUE(pool.trim(interval)) << "they were in use since the last trim";
    EXPECT_EQ(pool.stats().free_warm, 1000u);
    EXPECT_TRUE(pool.trim(2 * interval - 1)) << "the interval is not over";
    EXPECT_EQ(pool.stats().free_warm, 1000u);
    EXPECT_FALSE(trim_at(pool, 2 * interval));
    EXPECT_EQ(pool.stats().free_warm, stack_pool::trim_reserve);
    std::size_t resident = 0;
    for (const stack_span& stack : spike) resident += resident_pages(stack).value_or(0);
    EXPECT_EQ(resident, stack_pool::trim_reserve);
    const stack_span next = pool.allocate(256 * kib);
    EXPECT_EQ(next.base, spike.back().base) << "the reserve is the newest";
    pool.release(next);
}

TEST(stack_pool, unmaps_what_is_no_longer_used_at_all) {
    stack_pool pool;
    const borrowed_stacks kept{pool, 10, 16 * kib};
    borrowed_stacks reserve{pool, stack_pool::trim_reserve, 16 * kib};
    borrowed_stacks spike{pool, 10'000, 16 * kib};
    spike.shuffle();
    spike.release();
    reserve.release();
    pool.trim(0);
    EXPECT_FALSE(trim_at(pool, interval));
    const auto idle = pool.stats();
    EXPECT_LE(idle.mapped_bytes, 2 * mib);
    EXPECT_EQ(idle.in_use, 10u);
    EXPECT_EQ(idle.free_warm, stack_pool::trim_reserve);
    EXPECT_GE(idle.mapped_bytes, (idle.in_use + idle.free_warm + idle.free_cold) * 16 * kib);

    const borrowed_stacks again{pool, 10'000, 16 * kib};
    EXPECT_EQ(pool.stats().in_use, 10'010u);
    for (const stack_span& stack : again.all()) {
        ASSERT_FALSE(accessible(&stack.base[-1]));
        ASSERT_EQ(resident_pages(stack), 1u);
    }
}

TEST(stack_pool, gives_back_whatever_the_order_of_the_mappings) {
    // The kernel takes the highest hole: above the first slab for the second.
    constexpr std::size_t slab = 65 * 16 * kib;
    std::vector<void*> above(64);
    for (void*& each : above)
        each = ::mmap(nullptr, slab, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_pool pool;
    const borrowed_stacks first{pool, 64 - stack_pool::trim_reserve, 16 * kib};
    borrowed_stacks reserve{pool, stack_pool::trim_reserve, 16 * kib};
    for (void* each : above) ::munmap(each, slab);
    borrowed_stacks second{pool, 64, 16 * kib};
    const stack_span higher = second.all().front();
    EXPECT_LT(first.all().back().base, higher.base);

    second.release();
    reserve.release();
    pool.trim(0);
    trim_at(pool, interval);
    EXPECT_EQ(resident_pages(higher), std::nullopt);
    for (const stack_span& stack : first.all()) EXPECT_EQ(resident_pages(stack), 1u);
}

TEST(stack_pool, keeps_the_memory_of_an_oscillating_load) {
    stack_pool pool;
    for (std::int64_t now = 0; now != 20 * interval; now += interval / 2) {
        borrow_once(pool, 500, 16 * kib);
        pool.trim(now);
        EXPECT_EQ(pool.stats().free_warm, 500u);
    }
}

TEST(stack_pool, gives_back_in_small_steps) {
    constexpr std::size_t count = 3 * stack_pool::trim_step + stack_pool::trim_reserve;
    stack_pool pool;
    borrow_once(pool, count, 16 * kib);
    EXPECT_TRUE(pool.trim(0));
    EXPECT_EQ(pool.trim_delay(), interval);

    EXPECT_TRUE(pool.trim(interval));
    EXPECT_EQ(pool.stats().free_warm, count - stack_pool::trim_step);
    EXPECT_EQ(pool.trim_delay(), 0);
    trim_at(pool, interval);
    EXPECT_EQ(pool.stats().free_warm, stack_pool::trim_reserve);
    EXPECT_EQ(pool.trim_delay(), interval);
}

TEST(stack_pool, between_two_steps_keeps_what_was_needed_again) {
    constexpr std::size_t count = 3 * stack_pool::trim_step;
    stack_pool pool;
    borrow_once(pool, count, 16 * kib);
    pool.trim(0);
    pool.trim(interval);
    borrow_once(pool, stack_pool::trim_step + 100, 16 * kib);
    trim_at(pool, interval);
    EXPECT_EQ(pool.stats().free_warm, stack_pool::trim_step + 100);
}

// A million, unless the machine is too small or the kernel too old for it.
std::size_t stacks_to_hold() {
    if (sanitized) return 20'000;
    if (stack_guard{}.kind() == guard_kind::mprotect) return stack_guard{}.mprotect_cap();
    const std::size_t room = kib_field("/proc/meminfo", "MemAvailable") * 3 / 4;
    return std::min<std::size_t>(1'000'000, room / (5 * kib));
}

TEST(stack_pool, holds_a_million_stacks_for_a_page_each_and_gives_them_back) {
    const auto status = [](const char* name) { return kib_field("/proc/self/status", name); };
    const std::size_t count = stacks_to_hold();
    const std::size_t memory = status("VmRSS");
    const std::size_t tables = status("VmPTE");

    stack_pool pool;
    borrowed_stacks stacks{pool, count, 256 * kib};
    EXPECT_EQ(pool.stats().in_use, count);
    if (stack_guard{}.kind() == guard_kind::madvise) {
        EXPECT_LT(mappings(), 2000u);
    }
    if (!sanitized) {
        EXPECT_LE((status("VmRSS") - memory) / count, 4300u);
        EXPECT_LE((status("VmPTE") - tables) / count, 600u);
    }

    stacks.release();
    pool.trim(0);
    EXPECT_FALSE(trim_at(pool, interval));
    EXPECT_EQ(pool.stats().free_warm, stack_pool::trim_reserve);
    if (!sanitized) {
        EXPECT_LE(status("VmRSS"), memory + 64 * mib);
        EXPECT_LE(status("VmPTE"), tables + 16 * mib);
    }
}

}  // namespace
}  // namespace ramie::detail
