// The process-wide half of the descriptor table: two levels, the second made when first touched.

#include <cstdlib>

#include "ramie/detail/descriptors.hpp"

namespace ramie::detail {

namespace {

// 4,096 x 4,096 numbers: beyond any limit in use (fs.nr_open is 1,048,576 by default).
constexpr std::size_t level_size = 4096;
std::atomic<descriptor_facts*> chunks[level_size];
std::atomic<std::uint16_t> forks{0};

[[gnu::noinline]] descriptor_facts* make_chunk(std::atomic<descriptor_facts*>& place) noexcept {
    // Zero pages from the kernel: untouched entries cost nothing.
    void* fresh = std::calloc(level_size, sizeof(descriptor_facts));
    auto* made = static_cast<descriptor_facts*>(fresh);
    descriptor_facts* expected = nullptr;
    if (made != nullptr && !place.compare_exchange_strong(expected, made)) {
        std::free(fresh);
        return expected;
    }
    return made;
}

}  // namespace

descriptor_facts* facts_of(int fd) noexcept {
    const auto index = static_cast<std::size_t>(fd);  // negative: far beyond the table
    if (index >= level_size * level_size) return nullptr;
    std::atomic<descriptor_facts*>& place = chunks[index / level_size];
    descriptor_facts* chunk = place.load(std::memory_order_acquire);
    if (chunk == nullptr) [[unlikely]]
        chunk = make_chunk(place);
    return chunk == nullptr ? nullptr : chunk + index % level_size;
}

void reset_facts(int fd, descriptor_kind kind) noexcept {
    descriptor_facts* facts = facts_of(fd);
    if (facts == nullptr) return;
    facts->generation.fetch_add(1, std::memory_order_relaxed);
    facts->kind.store(kind, std::memory_order_relaxed);
    facts->blocking_known.store(false, std::memory_order_relaxed);
    facts->timeouts_known.store(false, std::memory_order_relaxed);
    facts->timeouts_untouched.store(false, std::memory_order_relaxed);
    facts->short_read_counts.store(kind == descriptor_kind::tcp, std::memory_order_relaxed);
    facts->has_low_water_mark.store(false, std::memory_order_relaxed);
}

std::uint16_t fork_epoch() noexcept { return forks.load(std::memory_order_relaxed); }

void bump_fork_epoch() noexcept { forks.fetch_add(1, std::memory_order_relaxed); }

}  // namespace ramie::detail
