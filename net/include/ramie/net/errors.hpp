// The exceptions that sockets throw beside std::system_error and ramie::timeout_expired.
//
//     try { peer.read_exactly(header, 10s); }
//     catch (const ramie::net::end_of_stream& e) { log(e.bytes_read(), "bytes of a header"); }
#pragma once

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>

namespace ramie::net {

// The peer ended the stream before all that was asked for had come. code() is ENODATA.
class end_of_stream : public std::system_error {
  public:
    // Never suspends.
    end_of_stream(const std::string& what, std::size_t bytes_read)
        : std::system_error(ENODATA, std::generic_category(), what), bytes_read_(bytes_read) {}

    // How much had come; it lies in the caller's buffer. Never suspends.
    [[nodiscard]] std::size_t bytes_read() const noexcept { return bytes_read_; }

  private:
    std::size_t bytes_read_;
};

}  // namespace ramie::net
