#pragma once
// What the tests of stacks share: stacks in use, and what the kernel says about memory.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "stack_pool.hpp"

namespace ramie::detail {

inline constexpr std::size_t kib = 1024;
inline constexpr std::size_t mib = 1024 * kib;

inline std::byte* slot_start(const stack_span& stack) { return stack.base - stack.guard; }

// Stacks that are in use, each with its top page in memory.
class borrowed_stacks {
  public:
    borrowed_stacks(stack_pool& pool, std::size_t count, std::size_t size) : pool_{pool} {
        for (stacks_.reserve(count); stacks_.size() != count;) {
            stacks_.push_back(pool.allocate(size));
            stacks_.back().top[-1] = std::byte{1};
        }
    }
    ~borrowed_stacks() { release(); }
    borrowed_stacks(const borrowed_stacks&) = delete;
    borrowed_stacks& operator=(const borrowed_stacks&) = delete;

    // So that they are released in no order, but always the same one.
    void shuffle() { std::shuffle(stacks_.begin(), stacks_.end(), std::minstd_rand{1}); }
    void release() {
        for (const stack_span& stack : stacks_) pool_.release(stack);
        stacks_.clear();
    }
    const std::vector<stack_span>& all() const { return stacks_; }

  private:
    stack_pool& pool_;
    std::vector<stack_span> stacks_;
};

inline void borrow_once(stack_pool& pool, std::size_t count, std::size_t size) {
    borrowed_stacks{pool, count, size};
}

// A value of a file such as /proc/self/status, in bytes.
inline std::size_t kib_field(const char* file, const std::string& name) {
    std::ifstream in{file};
    for (std::string line; std::getline(in, line);)
        if (line.rfind(name + ":", 0) == 0) return std::stoul(line.substr(name.size() + 1)) * kib;
    return 0;
}

inline std::size_t mappings() {
    std::ifstream in{"/proc/self/maps"};
    std::size_t count = 0;
    for (std::string line; std::getline(in, line);) ++count;
    return count;
}

// The kernel refuses to read where the program would fault.
inline bool accessible(const std::byte* address) {
    std::array<int, 2> pipe{};
    EXPECT_EQ(::pipe(pipe.data()), 0);
    const bool read = ::write(pipe[1], address, 1) == 1;
    for (const int end : pipe) ::close(end);
    return read;
}

// What allocate() says when it throws.
inline std::string error_of(stack_pool& pool, std::size_t size, int expected) {
    try {
        pool.allocate(size);
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), expected);
        return error.what();
    }
    return "no error";
}

}  // namespace ramie::detail
