// The bytes that the load generator sends and expects back, and the proof that none was lost.
//
//     pattern bytes_of;
//     send(fd, bytes_of(connection, 0, 64).data(), 64, 0);

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

// The bytes that a connection sends: word w of its stream is a hash of (connection, w), so a byte
// that is lost, repeated, changed or someone else's shows.
class pattern {
  public:
    static constexpr std::size_t limit = 64 * 1024;

    // At most `limit` bytes from `offset` on, valid until the next call.
    std::span<const char> operator()(std::uint64_t connection, std::uint64_t offset,
                                     std::size_t size) {
        const std::uint64_t first = offset / sizeof(std::uint64_t);
        const std::size_t skip = offset % sizeof(std::uint64_t);
        const std::size_t words = (skip + size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
        for (std::size_t i = 0; i < words; ++i) words_[i] = hash((connection << 40) + first + i);
        return {reinterpret_cast<const char*>(words_.data()) + skip, size};
    }

  private:
    static std::uint64_t hash(std::uint64_t x) {
        x = (x + 1) * 0x9e3779b97f4a7c15;
        x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93;
        return x ^ (x >> 32);
    }

    std::array<std::uint64_t, limit / sizeof(std::uint64_t) + 1> words_;
};
