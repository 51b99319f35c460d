#include "stack_pool.hpp"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace ramie::detail {
namespace {

constexpr std::size_t first_slab_slots = 64;
constexpr std::size_t largest_slab = std::size_t{1} << 30;
constexpr std::size_t largest_guard = 64 * 1024;
constexpr std::size_t sort_step = 65536;  // takes about as long as stack_pool::trim_step

[[noreturn, gnu::cold, gnu::noinline]] void refuse(std::size_t size) {
    throw std::system_error(
        EINVAL, std::generic_category(),
        "ramie: a fiber stack of " + std::to_string(size) + " bytes; the largest is 1 GiB");
}

[[noreturn]] void fail_to_map(int error, std::size_t size) {
    throw std::system_error(error, std::generic_category(),
                            "ramie: mmap of a fiber stack of " + std::to_string(size) +
                                " bytes; see ulimit -v, the sysctls vm.overcommit_memory and "
                                "vm.max_map_count, and how many stacks of what size are in use");
}

// Equal frames of different fibers must not all fall on the same few sets of the first cache.
std::size_t colour_of(const std::byte* start, std::size_t slot) {
    const auto number = reinterpret_cast<std::uintptr_t>(start) >> std::countr_zero(slot);
    return number % 33 * 64;
}

// Frames that a last switch left behind never took their red zones away.
void unpoison([[maybe_unused]] std::byte* begin, [[maybe_unused]] std::byte* end) {
    ASAN_UNPOISON_MEMORY_REGION(begin, static_cast<std::size_t>(end - begin));
}

std::byte* align_up(void* address, std::size_t alignment) {
    const auto misaligned = reinterpret_cast<std::uintptr_t>(address) % alignment;
    return static_cast<std::byte*>(address) + (misaligned == 0 ? 0 : alignment - misaligned);
}

}  // namespace

stack_pool::stack_pool(stack_guard guard)
    : guards_{guard}, page_size_{static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))} {
    std::size_t slot = smallest_stack;
    for (size_class& stacks : classes_) {
        stacks.slot = slot;
        stacks.guard = std::clamp(slot / 4, page_size_, std::max(page_size_, largest_guard));
        slot *= 2;
    }
}

stack_pool::~stack_pool() {
    if (stats().in_use != 0) return;
    for (const size_class& stacks : classes_)
        for (const slab& each : stacks.slabs) stacks.unmap(each, guards_);
}

stack_span stack_pool::allocate(std::size_t size) {
    if (size > classes_.back().slot) refuse(size);
    size_class& stacks = class_of(std::bit_ceil(std::max({size, smallest_stack, 4 * page_size_})));

    std::byte* start = nullptr;
    if (stacks.warm_count() == 0) {
        start = take_cold(stacks);
    } else {
        start = stacks.warm.back();
        stacks.warm.pop_back();
        if (stacks.warm.size() < stacks.low) stacks.low = stacks.warm.size();
    }

    std::byte* const end = start + stacks.slot;
    return {start + stacks.guard, end - colour_of(start, stacks.slot), stacks.guard, stacks.slot};
}

void stack_pool::release(const stack_span& stack) noexcept {
    size_class& stacks = class_of(stack.slot);
    assert(stacks.warm.size() != stacks.warm.capacity() && "a stack is released twice");
    unpoison(stack.base, stack.base - stack.guard + stack.slot);
    // add_slab() made the room; without this the way that grows the vector costs twice the push.
    if (stacks.warm.size() == stacks.warm.capacity()) __builtin_unreachable();
    stacks.warm.push_back(stack.base - stack.guard);
}

bool stack_pool::trim(std::int64_t now_ns) noexcept {
    if (now_ns - last_decision_ >= trim_interval) {
        last_decision_ = now_ns;
        for (size_class& stacks : classes_) stacks.decide_surplus();
        trimming_ = true;
    }
    if (trimming_) {
        trimming_ = false;
        for (size_class& stacks : classes_) trimming_ |= stacks.give_back(guards_);
    }
    return trimming_ || std::any_of(classes_.begin(), classes_.end(), [](const auto& stacks) {
               return stacks.warm_count() > trim_reserve;
           });
}

stack_pool::counters stack_pool::stats() const noexcept {
    counters sum{};
    for (const size_class& stacks : classes_) {
        sum.in_use += stacks.slots() - stacks.warm_count() - stacks.cold();
        sum.free_warm += stacks.warm_count();
        sum.free_cold += stacks.cold();
        for (const slab& each : stacks.slabs) sum.mapped_bytes += each.mapped;
    }
    return sum;
}

stack_pool::size_class& stack_pool::class_of(std::size_t slot) {
    return classes_[static_cast<std::size_t>(std::countr_zero(slot / smallest_stack))];
}

// Out of line, to keep the usual way of allocate() short.
[[gnu::noinline]] std::byte* stack_pool::take_cold(size_class& stacks) {
    try {
        return stacks.take_cold(guards_);
    } catch (const std::system_error&) {
        // Free stacks of other sizes may hold the memory, or the guards, that are wanting.
        for (size_class& others : classes_) others.give_back_all(guards_);
        return stacks.take_cold(guards_);
    }
}

std::byte* stack_pool::size_class::take_cold(const stack_guard& guards) {
    // The room in `warm` is for every slot once, so none may come back while it is still listed.
    warm.clear();
    oldest = low = surplus = sorted = 0;
    slab& home = slab_with_cold();
    if (home.trimmed.empty()) {
        guards.install(home.unguarded, guard);
        home.unguarded += slot;
        return home.unguarded - slot;
    }
    std::byte* const start = home.trimmed.back();
    home.trimmed.pop_back();
    return start;
}

// The lowest one: so the others empty, and can be unmapped.
stack_pool::slab& stack_pool::size_class::slab_with_cold() {
    while (first_cold != slabs.size() && cold_in(slabs[first_cold]) == 0) ++first_cold;
    if (first_cold == slabs.size()) add_slab();
    return slabs[first_cold];
}

// As many slots again as there are, or fewer when the address space has no room for so many.
void stack_pool::size_class::add_slab() {
    std::size_t count = std::min(std::max(slots(), first_slab_slots), largest_slab / slot);
    std::vector<std::byte*> trimmed;
    trimmed.reserve(count);
    slabs.reserve(slabs.size() + 1);
    warm.reserve(slots() + count);  // so that release() never allocates

    void* mapping = MAP_FAILED;
    std::size_t mapped = 0;
    for (;; count /= 2) {
        mapped = (count + 1) * slot;  // one more, to align the others
        mapping = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping != MAP_FAILED) break;
        if (count == 1) fail_to_map(errno, slot);
    }
    // A parked fiber is to cost a page of 4 KiB, not one of 2 MiB. Kernels without huge pages
    // refuse, and need not be told.
    ::madvise(mapping, mapped, MADV_NOHUGEPAGE);

    std::byte* const first = align_up(mapping, slot);
    const auto place =
        slabs.insert(slab_after(first), {static_cast<std::byte*>(mapping), mapped, first,
                                         first + count * slot, first, std::move(trimmed)});
    first_cold = static_cast<std::size_t>(place - slabs.begin());
}

std::vector<stack_pool::slab>::iterator stack_pool::size_class::slab_after(
    const std::byte* address) {
    return std::upper_bound(
        slabs.begin(), slabs.end(), address,
        [](const std::byte* wanted, const slab& each) { return wanted < each.first; });
}

std::size_t stack_pool::size_class::slots_in(const slab& each) const {
    return static_cast<std::size_t>(each.end - each.first) / slot;
}

std::size_t stack_pool::size_class::cold_in(const slab& each) const {
    return each.trimmed.size() + static_cast<std::size_t>(each.end - each.unguarded) / slot;
}

std::size_t stack_pool::size_class::slots() const {
    std::size_t sum = 0;
    for (const slab& each : slabs) sum += slots_in(each);
    return sum;
}

std::size_t stack_pool::size_class::cold() const {
    std::size_t sum = 0;
    for (const slab& each : slabs) sum += cold_in(each);
    return sum;
}

// The stacks below `low` lay untouched since the last decision.
void stack_pool::size_class::decide_surplus() {
    warm.erase(warm.begin(), warm.begin() + static_cast<std::ptrdiff_t>(oldest));
    low -= std::exchange(oldest, 0);
    surplus = std::min(low, warm.size() - std::min(warm.size(), trim_reserve));
    low = warm.size();
    sorted = 0;
}

// One step; true when there is another to do.
bool stack_pool::size_class::give_back(const stack_guard& guards) {
    surplus = std::min(surplus, low);  // some may have been taken in the meantime
    if (surplus > oldest) discard_some();
    return unmap_unused(guards) || surplus > oldest;
}

void stack_pool::size_class::give_back_all(const stack_guard& guards) {
    warm.erase(warm.begin(), warm.begin() + static_cast<std::ptrdiff_t>(oldest));
    oldest = sorted = 0;
    low = surplus = warm.size();
    while (give_back(guards)) {
    }
}

// Guards survive MADV_DONTNEED, so neighbours go in one call, with the guards between them.
void stack_pool::size_class::discard_some() {
    const auto at = [this](std::size_t index) {
        return warm.begin() + static_cast<std::ptrdiff_t>(index);
    };
    if (sorted <= oldest) {
        sorted = std::min(surplus, oldest + sort_step);
        std::sort(at(oldest), at(sorted));
    }
    auto run = at(oldest);
    const auto end = at(std::min({surplus, sorted, oldest + trim_step}));
    oldest = static_cast<std::size_t>(end - warm.begin());
    while (run != end) {
        slab& home = *std::prev(slab_after(*run));
        auto next = run;
        std::byte* run_end = *run;
        for (; next != end && *next == run_end && run_end != home.end; ++next) run_end += slot;
        ::madvise(*run, static_cast<std::size_t>(run_end - *run), MADV_DONTNEED);
        home.trimmed.insert(home.trimmed.end(), run, next);
        run = next;
    }
    first_cold = 0;
}

// MADV_DONTNEED leaves the page tables, an eighth of what it gave back. True when it left some.
bool stack_pool::size_class::unmap_unused(const stack_guard& guards) {
    const auto unused = [this](const slab& each) { return cold_in(each) == slots_in(each); };
    auto at = std::find_if(slabs.begin(), slabs.end(), unused);
    for (std::size_t step = 0; step != trim_slab_step && at != slabs.end(); ++step) {
        unmap(*at, guards);
        at = slabs.erase(at);
        at = std::find_if(at, slabs.end(), unused);
        first_cold = 0;
    }
    return at != slabs.end();
}

// Should munmap fail, for want of a mapping to split, what is lost is address space.
void stack_pool::size_class::unmap(const slab& each, const stack_guard& guards) const {
    ::munmap(each.mapping, each.mapped);
    guards.forget(static_cast<std::size_t>(each.unguarded - each.first) / slot);
}

}  // namespace ramie::detail
