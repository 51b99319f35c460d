// What Asio and Beast ask of a blocking stream: read_some and write_some that take their buffer
// sequences, with and without an error code. Knows those buffers by their shape: Asio itself is not
// included.
#pragma once

#include <sys/uio.h>

#include <array>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <system_error>

namespace ramie::net::detail {

template <class T>
concept mutable_buffer = requires(const T& b) {
    { b.data() } -> std::same_as<void*>;
    { b.size() } -> std::convertible_to<std::size_t>;
};
template <class T>
concept const_buffer = mutable_buffer<T> || requires(const T& b) {
    { b.data() } -> std::same_as<const void*>;
    { b.size() } -> std::convertible_to<std::size_t>;
};
template <class T>
concept mutable_buffers = mutable_buffer<T> || requires(const T& s) {
    { *s.begin() } -> mutable_buffer;
    { *s.end() } -> mutable_buffer;
};
template <class T>
concept const_buffers = const_buffer<T> || requires(const T& s) {
    { *s.begin() } -> const_buffer;
    { *s.end() } -> const_buffer;
};

// The first parts of a sequence that are not empty, as the system calls want them.
class parts_of {
  public:
    template <class Buffers>
    explicit parts_of(const Buffers& buffers) {
        if constexpr (const_buffer<Buffers>) {
            add(buffers);
        } else {
            for (auto it = buffers.begin(); it != buffers.end() && count_ != parts_.size(); ++it)
                add(*it);
        }
    }
    [[nodiscard]] const iovec* data() const noexcept { return parts_.data(); }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  private:
    template <class Buffer>
    void add(const Buffer& b) noexcept {
        if (b.size() == 0) return;
        parts_[count_++] = {const_cast<void*>(static_cast<const void*>(b.data())), b.size()};
        bytes_ += b.size();
    }

    std::array<iovec, 16> parts_;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
};

// asio::error::eof.
[[nodiscard]] boost::system::error_code end_of_file() noexcept;

// `Stream` has remote_endpoint, and read_parts and write_parts, which return what a system call
// does and throw only what interrupts the fiber.
template <class Stream>
class sync_stream {
  public:
    // Asio's read_some: the end of the stream is the error asio::error::eof. Suspends the calling
    // fiber.
    template <mutable_buffers Buffers>
    std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
        const parts_of parts(buffers);
        const std::size_t n = attempt(&Stream::read_parts, parts, error);
        if (n == 0 && parts.bytes() != 0 && !error) error = end_of_file();
        return n;
    }
    template <mutable_buffers Buffers>
    std::size_t read_some(const Buffers& buffers) {
        boost::system::error_code error;
        const std::size_t n = read_some(buffers, error);
        require_no(error, "read from ");
        return n;
    }

    // Asio's write_some. Suspends the calling fiber.
    template <const_buffers Buffers>
    std::size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
        return attempt(&Stream::write_parts, parts_of(buffers), error);
    }
    template <const_buffers Buffers>
    std::size_t write_some(const Buffers& buffers) {
        boost::system::error_code error;
        const std::size_t n = write_some(buffers, error);
        require_no(error, "write to ");
        return n;
    }

  protected:
    sync_stream() = default;

  private:
    Stream& self() noexcept { return static_cast<Stream&>(*this); }

    template <class Call>
    std::size_t attempt(Call call, const parts_of& parts, boost::system::error_code& error) {
        error.clear();
        if (parts.bytes() == 0) return 0;
        const ssize_t n = (self().*call)(parts.data(), parts.count(), parts.bytes());
        if (n >= 0) return static_cast<std::size_t>(n);
        error.assign(errno, boost::system::system_category());
        return 0;
    }
    void require_no(const boost::system::error_code& error, const char* call) {
        if (error) throw std::system_error(error, call + self().remote_endpoint().to_string());
    }
};

}  // namespace ramie::net::detail
