// A connection that no kernel takes part in: bounded, deterministic, and as faulty as a test wants.
//
//     auto [near, far] = ramie::testing::memory_stream_pair();
//     ramie::spawn([&] { serve(far); });          // a template, or what a tcp_stream is passed to
//     near.write_all("ping\n");
//     auto n = near.read_some(buffer, 5s);
//
// Behaves as a tcp_stream whose peer is on the same machine: one fiber may read and another write,
// a second one gets EBUSY, a full buffer makes the writer wait.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "ramie/deadline.hpp"
#include "ramie/testing/faults.hpp"

namespace ramie::testing {

namespace detail {
class memory_pipe;
}

// What every transfer may throw: std::system_error (EBADF: closed here; EPIPE: closed by the peer;
// ECONNRESET; EBUSY), timeout_expired at the deadline, what interrupts the fiber.
class memory_stream {
  public:
    // Not connected. Never suspends.
    memory_stream() noexcept;
    memory_stream(memory_stream&&) noexcept;
    memory_stream& operator=(memory_stream&&) noexcept;
    // Closes. Never suspends.
    ~memory_stream();

    // Waits for some bytes, returns how many; 0: the peer has ended its side, or `buffer` is empty.
    // Suspends the calling fiber.
    std::size_t read_some(std::span<std::byte> buffer, deadline until = {});
    std::size_t read_some(std::span<char> buffer, deadline until = {}) {
        return read_some(std::as_writable_bytes(buffer), until);
    }

    // Fills `buffer`; throws std::system_error (ENODATA) when the stream ends before. Suspends the
    // calling fiber.
    void read_exactly(std::span<std::byte> buffer, deadline until = {});
    void read_exactly(std::span<char> buffer, deadline until = {}) {
        read_exactly(std::as_writable_bytes(buffer), until);
    }

    // Waits for room, returns how much was written. Suspends the calling fiber.
    std::size_t write_some(std::span<const std::byte> data, deadline until = {});
    std::size_t write_some(std::string_view text, deadline until = {}) {
        return write_some(std::as_bytes(std::span(text)), until);
    }

    // All of it, under one deadline. Suspends the calling fiber.
    void write_all(std::span<const std::byte> data, deadline until = {});
    void write_all(std::string_view text, deadline until = {}) {
        write_all(std::as_bytes(std::span(text)), until);
    }

    // Ends this side: the peer reads to the end and gets 0. Never suspends.
    void shutdown_write() noexcept;

    // Ends both; who waits here gets EBADF. Never suspends.
    void close() noexcept;

    // Ends both; the peer gets ECONNRESET. Never suspends.
    void reset() noexcept;

    // Never suspends.
    [[nodiscard]] bool is_open() const noexcept { return in_ != nullptr; }

    // From now on, for what is read and written at this end. Never suspends.
    void set_faults(const fault_plan&);

  private:
    friend std::pair<memory_stream, memory_stream> memory_stream_pair(std::size_t);
    memory_stream(std::shared_ptr<detail::memory_pipe> in,
                  std::shared_ptr<detail::memory_pipe> out) noexcept;

    std::shared_ptr<detail::memory_pipe> in_;
    std::shared_ptr<detail::memory_pipe> out_;
    std::shared_ptr<fault_source> faults_;
};

// Two ends of one connection; each direction holds `capacity` bytes. Never suspends.
[[nodiscard]] std::pair<memory_stream, memory_stream> memory_stream_pair(
    std::size_t capacity = std::size_t{64} * 1024);

}  // namespace ramie::testing
