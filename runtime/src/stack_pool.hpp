#pragma once
// The stacks of one thread's fibers: cut from large mappings, guarded, used again last in first
// out, and given back to the kernel when they have not been needed for a while.
//
//     stack_pool pool;
//     const stack_span stack = pool.allocate(256 * 1024);
//     run_fiber_on(stack.top);
//     pool.release(stack);

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack_guard.hpp"

namespace ramie::detail {

// One slot of memory, from low to high: guard, usable bytes, colour.
struct stack_span {
    std::byte* base = nullptr;  // lowest usable address, just above the guard
    std::byte* top = nullptr;  // where frames start, 64-byte aligned, 0..2 KiB below the slot's end
    std::size_t guard = 0;     // bytes below base
    std::size_t slot = 0;      // guard + usable + colour, a power of two; it starts at base - guard
};

// Not thread-safe. Lives as long as any stack of it.
class stack_pool {
  public:
    static constexpr std::size_t smallest_stack = 16 * 1024;
    static constexpr std::int64_t trim_interval = 1'000'000'000;  // ns
    // Released stacks of each size that keep their memory for the next fiber.
    static constexpr std::size_t trim_reserve = 16;
    // Stacks, and slabs, of one size that one trim() gives back: a few milliseconds of work.
    static constexpr std::size_t trim_step = 1024;
    static constexpr std::size_t trim_slab_step = 2;

    explicit stack_pool(guard_kind kind = guard_kind::automatic) : stack_pool(stack_guard{kind}) {}
    explicit stack_pool(stack_guard guard);
    // Unmaps everything, unless a stack is still out: a handle may point into it.
    ~stack_pool();
    stack_pool(const stack_pool&) = delete;
    stack_pool& operator=(const stack_pool&) = delete;

    // A stack of `size` bytes, at most 1 GiB, rounded up to a power of two, guard included. It
    // contains whatever its last user left. Throws std::system_error when there is no memory or no
    // guard to be had, std::bad_alloc when there is no heap; a later call can succeed.
    stack_span allocate(std::size_t size);
    // Makes no system call and does not touch the stack.
    void release(const stack_span& stack) noexcept;

    // Gives back the memory of the stacks that nobody needed throughout the last trim_interval, a
    // step at a time; for when the thread has nothing to run. Returns true when there is, or may
    // be, more to give back: then call it again after trim_delay().
    bool trim(std::int64_t now_ns) noexcept;
    // 0 in the middle of giving back, else trim_interval.
    std::int64_t trim_delay() const noexcept { return trimming_ ? 0 : trim_interval; }

    struct counters {
        std::size_t in_use;
        std::size_t free_warm;  // released, with their memory
        std::size_t free_cold;  // never used, or given back
        std::size_t mapped_bytes;
    };
    counters stats() const noexcept;

  private:
    // One mapping, cut into slots. They get their guards in the order of their addresses, each
    // when it is first handed out.
    struct slab {
        std::byte* mapping;
        std::size_t mapped;
        std::byte* first;
        std::byte* end;
        std::byte* unguarded;             // the slots from here on were never handed out
        std::vector<std::byte*> trimmed;  // slots whose memory was given back
    };

    // The stacks of one size.
    struct size_class {
        std::size_t slot = 0;
        std::size_t guard = 0;
        std::vector<std::byte*> warm;  // released slots from index `oldest` on; the last is next
        std::size_t oldest = 0;
        std::size_t low = 0;         // the least size of `warm` since the last decision
        std::size_t surplus = 0;     // those below this index are to be given back
        std::size_t sorted = 0;      // of them, those below this index are sorted by address
        std::vector<slab> slabs;     // by address
        std::size_t first_cold = 0;  // the slabs before this one have no cold slot

        std::size_t warm_count() const { return warm.size() - oldest; }
        std::byte* take_cold(const stack_guard& guards);
        slab& slab_with_cold();
        void add_slab();
        std::vector<slab>::iterator slab_after(const std::byte* address);
        std::size_t slots() const;
        std::size_t cold() const;
        std::size_t slots_in(const slab& each) const;
        std::size_t cold_in(const slab& each) const;
        void decide_surplus();
        bool give_back(const stack_guard& guards);
        void give_back_all(const stack_guard& guards);
        void discard_some();
        bool unmap_unused(const stack_guard& guards);
        void unmap(const slab& each, const stack_guard& guards) const;
    };

    size_class& class_of(std::size_t slot);
    std::byte* take_cold(size_class& stacks);

    stack_guard guards_;
    std::size_t page_size_;
    std::int64_t last_decision_ = -trim_interval;
    bool trimming_ = false;
    std::array<size_class, 17> classes_;  // slots of smallest_stack << index bytes, to 1 GiB
};

}  // namespace ramie::detail
