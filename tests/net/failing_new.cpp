#include "failing_new.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace ramie::test {

namespace {
constinit thread_local int until_failure = 0;
constinit thread_local bool failed = false;
}  // namespace

void fail_new(int n) noexcept {
    until_failure = n;
    failed = false;
}

bool new_has_failed() noexcept { return failed; }

}  // namespace ramie::test

// Of the pairs that the library defines by these two.

void* operator new(std::size_t size) {
    using namespace ramie::test;
    if (until_failure != 0 && --until_failure == 0) {
        failed = true;
        throw std::bad_alloc();
    }
    if (void* const made = std::malloc(size != 0 ? size : 1)) return made;
    throw std::bad_alloc();
}

void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
