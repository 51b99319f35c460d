// Where exceptions are kept while they fly. libstdc++ sets 72 KB aside for those that are thrown
// when memory is short, whenever a program starts: in one that uses no heap itself that is a
// twentieth of its start. Here they are part of the library, and pages that are touched only then.
//
// Source: Itanium C++ ABI: Exception Handling, 2.4.2 "Allocating the Exception Object".

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace {

// What libstdc++ writes before a thrown object takes 128 bytes, and an object that stands for
// another one 112.
constexpr std::size_t header_size = 256;
constexpr std::size_t spare_size = 1024;
constexpr unsigned spare_count = 32;

struct alignas(std::max_align_t) spare {
    std::byte bytes[spare_size];
};
constinit spare spares[spare_count] = {};
constinit std::atomic<std::uint32_t> taken{0};  // a bit for each

void* take_spare(std::size_t size) noexcept {
    if (size > spare_size) return nullptr;
    for (unsigned i = 0; i != spare_count; ++i) {
        const std::uint32_t bit = std::uint32_t{1} << i;
        if ((taken.fetch_or(bit) & bit) == 0) return &spares[i];
    }
    return nullptr;
}

void* take(std::size_t size) noexcept {
    void* memory = std::malloc(size);
    if (memory == nullptr) memory = take_spare(size);
    if (memory == nullptr) std::terminate();
    return std::memset(memory, 0, size);
}

void give_back(void* memory) noexcept {
    const auto offset =
        reinterpret_cast<std::uintptr_t>(memory) - reinterpret_cast<std::uintptr_t>(&spares[0]);
    if (offset < sizeof spares)
        taken.fetch_and(~(std::uint32_t{1} << offset / spare_size));
    else
        std::free(memory);
}

}  // namespace

extern "C" {
void* __cxa_allocate_exception(std::size_t size) noexcept {
    return static_cast<std::byte*>(take(header_size + size)) + header_size;
}
void __cxa_free_exception(void* thrown) noexcept {
    give_back(static_cast<std::byte*>(thrown) - header_size);
}
void* __cxa_allocate_dependent_exception() noexcept { return take(header_size); }
void __cxa_free_dependent_exception(void* stands_for) noexcept { give_back(stands_for); }
}
