// Memory that runs out: this executable's own operator new. For each thread on its own.
#pragma once

namespace ramie::test {

// The n-th allocation from now on throws std::bad_alloc, once; 0: none does. What an exception
// itself takes does not count.
void fail_new(int n) noexcept;

// True once it has thrown.
[[nodiscard]] bool new_has_failed() noexcept;

}  // namespace ramie::test
