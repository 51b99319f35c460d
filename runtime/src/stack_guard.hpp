#pragma once
// The inaccessible pages below a stack: an overflow faults there instead of writing into a
// neighbour.
//
//     stack_guard guards;                 // picks what the kernel offers
//     guards.install(slot, 64 * 1024);    // or throws; never an unguarded stack
//     guards.forget(1);                   // when the memory has been unmapped

#include <cstddef>
#include <cstdint>

namespace ramie::detail {

// madvise: MADV_GUARD_INSTALL, Linux 6.13 or later; costs no mapping, so it has no limit.
// mprotect: PROT_NONE; splits the mapping in two, so vm.max_map_count limits the number of stacks.
// automatic: what RAMIE_STACK_GUARD names, else madvise where the kernel has it, else mprotect.
enum class guard_kind : std::uint8_t { automatic, madvise, mprotect };

class stack_guard {
  public:
    // Throws std::system_error when the kind asked for, by argument or environment, cannot be had.
    explicit stack_guard(guard_kind kind = guard_kind::automatic);
    // With a cap of its own on the number of mprotect guards in the process.
    stack_guard(guard_kind kind, std::size_t mprotect_cap);

    // Makes [begin, begin + size) inaccessible. Throws std::system_error, and then nothing changed.
    void install(std::byte* begin, std::size_t size) const;
    void forget(std::size_t guards) const noexcept;

    guard_kind kind() const noexcept { return kind_; }
    std::size_t mprotect_cap() const noexcept { return mprotect_cap_; }

  private:
    guard_kind kind_;
    std::size_t mprotect_cap_;
};

}  // namespace ramie::detail
