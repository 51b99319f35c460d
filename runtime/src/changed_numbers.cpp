#include "changed_numbers.hpp"

#include <atomic>
#include <cstddef>

#include "mailbox.hpp"

namespace ramie::detail {

namespace {

// Each entry has its place beside the number. So a reader knows one that was overwritten, or whose
// writer was held up before it wrote: the generations tell in their stead, being changed before.
constexpr std::uint32_t capacity = 256;
constinit std::atomic<std::uint64_t> entries[capacity] = {};
constinit std::atomic<std::uint32_t> end{capacity};  // no entry has this place yet

std::uint64_t entry(std::uint32_t place, int fd) noexcept {
    return std::uint64_t{place} << 32 | static_cast<std::uint32_t>(fd);
}

}  // namespace

void note_changed_number(int fd) noexcept {
    const std::uint32_t place = end.fetch_add(1);
    entries[place % capacity].store(entry(place, fd));
    ring_all();
}

void changed_numbers::skip() noexcept { next_ = end.load(); }

bool changed_numbers::empty() const noexcept {
    return next_ == end.load(std::memory_order_acquire);
}

int changed_numbers::take() noexcept {
    const std::uint64_t found = entries[next_ % capacity].load();
    if (found >> 32 != next_) {
        skip();
        return -1;
    }
    ++next_;
    return static_cast<int>(static_cast<std::uint32_t>(found));
}

}  // namespace ramie::detail
