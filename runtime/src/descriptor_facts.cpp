// The process-wide half of the descriptor table: two levels, the second made when first touched.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "ramie/detail/descriptors.hpp"
#include "ramie/detail/loop_descriptors.hpp"

namespace ramie::detail {

namespace {

[[gnu::noinline]] descriptor_facts* make_chunk(std::atomic<descriptor_facts*>& place) noexcept {
    // Zero pages from the kernel: untouched entries cost nothing.
    void* fresh = std::calloc(facts_chunk_size, sizeof(descriptor_facts));
    auto* made = static_cast<descriptor_facts*>(fresh);
    descriptor_facts* expected = nullptr;
    if (made != nullptr && !place.compare_exchange_strong(expected, made)) {
        std::free(fresh);
        return expected;
    }
    return made;
}

}  // namespace

descriptor_facts* make_facts(int fd) noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index >= facts_chunk_size * facts_chunk_count) return nullptr;
    descriptor_facts* const chunk = make_chunk(facts_chunks[index / facts_chunk_size]);
    return chunk == nullptr ? nullptr : chunk + index % facts_chunk_size;
}

void reset_facts(int fd, descriptor_kind kind) noexcept {
    descriptor_facts* facts = facts_to_note(fd);
    if (facts == nullptr) return;
    // In one order with `watchers`: who closes sees a new watcher, or that one sees the close.
    facts->generation.fetch_add(1);
    facts->kind.store(kind, std::memory_order_relaxed);
    facts->blocking_known.store(false, std::memory_order_relaxed);
    facts->simple.store(0, std::memory_order_relaxed);
    facts->timeouts_known.store(false, std::memory_order_relaxed);
    facts->timeouts_untouched.store(false, std::memory_order_relaxed);
    facts->short_read_counts.store(kind == descriptor_kind::tcp, std::memory_order_relaxed);
    facts->has_low_water_mark.store(false, std::memory_order_relaxed);
}

void keep_descriptor(int fd) noexcept {
    if (descriptor_facts* const facts = facts_of(fd)) facts->keeper = getpid();
}

void give_up_descriptor(int fd) noexcept {
    if (descriptor_facts* const facts = known_facts(fd)) facts->keeper = 0;
}

bool is_kept_descriptor(int fd) noexcept {
    const descriptor_facts* const facts = known_facts(fd);
    if (facts == nullptr) return false;
    const std::int32_t keeper = facts->keeper.load(std::memory_order_relaxed);
    return keeper != 0 && keeper == getpid();
}

void bump_fork_epoch() noexcept {
    forks.fetch_add(1, std::memory_order_relaxed);
    const auto end = static_cast<std::size_t>(end_of_simple.load());
    for (std::size_t begin = 0; begin < end; begin += facts_chunk_size) {
        descriptor_facts* const chunk = facts_chunks[begin / facts_chunk_size].load();
        if (chunk == nullptr) continue;
        for (std::size_t i = 0; i != std::min(facts_chunk_size, end - begin); ++i)
            chunk[i].simple.store(0, std::memory_order_relaxed);
    }
}

}  // namespace ramie::detail
