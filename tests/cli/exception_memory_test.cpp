// Exceptions of libramie-preload.so while there is no memory, in a program that is linked like it.

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <array>
#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "support/forked.hpp"

namespace {

struct large_exception : std::exception {
    std::array<char, 500> bytes{};
};

// Returns false when one of them is not what was thrown.
bool catches_many_at_once() {
    std::array<std::exception_ptr, 20> kept;
    for (auto& each : kept) {
        try {
            throw large_exception();
        } catch (...) {
            each = std::current_exception();
        }
    }
    for (const auto& each : kept) {
        try {
            std::rethrow_exception(each);
        } catch (const large_exception&) {
            continue;
        } catch (...) {
            return false;
        }
    }
    return true;
}

// Not known to the compiler, which would leave the whole search out.
void* (*volatile const find_memory)(std::size_t) = &std::malloc;

void use_up_memory() {
    rlimit limit{};
    ::getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 1;
    ::setrlimit(RLIMIT_AS, &limit);
    for (std::size_t size = std::size_t{1} << 20; size != 0; size /= 2)
        while (find_memory(size) != nullptr) continue;
}

TEST(exception_memory, is_there_when_no_other_is) {
    EXPECT_THROW(throw std::runtime_error("the unwinder is loaded"), std::runtime_error);
    EXPECT_EQ(ramie::test::in_child([] {
                  use_up_memory();
                  for (int i = 0; i != 100; ++i)
                      if (!catches_many_at_once()) return 1;
                  try {
                      static_cast<void>(new std::string(1000, 'x'));
                  } catch (const std::bad_alloc&) {
                      return 2;
                  }
                  return 3;
              }),
              2);
}

TEST(exception_memory, ends_the_process_when_it_is_used_up) {
    EXPECT_THROW(throw std::runtime_error("the unwinder is loaded"), std::runtime_error);
    EXPECT_EQ(ramie::test::in_child([] {
                  std::set_terminate([] { std::_Exit(7); });
                  use_up_memory();
                  static std::array<std::exception_ptr, 100> kept;
                  for (auto& each : kept) {
                      try {
                          throw large_exception();
                      } catch (...) {
                          each = std::current_exception();
                      }
                  }
                  return 1;
              }),
              7);
}

TEST(exception_memory, is_given_back) {
    // The first one stays with malloc, for the next.
    EXPECT_THROW(throw 0, int);
    const std::size_t before = ::mallinfo2().uordblks;
    for (int i = 0; i != 100'000; ++i) {
        try {
            throw i;
        } catch (const int caught) {
            ASSERT_EQ(caught, i);
        }
    }
    EXPECT_EQ(::mallinfo2().uordblks, before);  // bytes; a sanitizer's allocator shows it none
    EXPECT_TRUE(catches_many_at_once());
}

}  // namespace
