#include "support/allocations.hpp"

#include "support/sanitizers.hpp"

namespace ramie::test {

namespace {
constinit thread_local std::size_t count = 0;
}  // namespace

std::size_t allocations() noexcept { return count; }

}  // namespace ramie::test

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

// In front of libc's, which also has them under other names.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);

void* malloc(std::size_t size) noexcept {
    ++ramie::test::count;
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
    ++ramie::test::count;
    return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) noexcept {
    ++ramie::test::count;
    return __libc_realloc(old, size);
}
}

#endif
