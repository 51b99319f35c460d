#pragma once
// How often the calling thread has asked for memory, by malloc and its like.
//
//     const auto before = allocations();
//     ::close(fd);
//     EXPECT_EQ(allocations(), before);
//
// Not counted, and always 0, where a sanitizer has the allocator.

#include <cstddef>

namespace ramie::test {

std::size_t allocations() noexcept;

}  // namespace ramie::test
