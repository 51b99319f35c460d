// Where a socket is or connects to: an address and a port. A value; compares, sorts and prints.
//
//     ramie::net::endpoint here = "127.0.0.1:7000";      // also {"127.0.0.1", 7000}
//     ramie::net::endpoint all  = ":7000";               // every IPv4 address of this machine
//     ramie::net::endpoint six  = "[fe80::1%eth0]:80";   // IPv6 in brackets, with its scope
//     std::cout << here << '\n';
//
// Numeric addresses only; <ramie/net/resolve.hpp> looks up host names. Unix paths will be
// "unix:/path".
#pragma once

#include <sys/socket.h>

#include <compare>
#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace ramie::net {

class endpoint {
  public:
    // No address; to_string() says "unspecified". Never suspends.
    endpoint() noexcept = default;

    // "ADDRESS:PORT", as above. Throws std::system_error (EINVAL) with the text and what is wrong
    // with it; that also when the address is a host name. Never suspends.
    template <class Text>
    requires std::convertible_to<const Text&, std::string_view> endpoint(const Text& text)
        : endpoint(parse(text)) {}

    // An address without brackets, and a port; no address at all is every IPv4 address. Throws
    // like the one above. Never suspends.
    endpoint(std::string_view address, std::uint16_t port);

    // What the kernel answered; more than sockaddr_storage holds is cut off. Never suspends.
    static endpoint from_native(const sockaddr* address, socklen_t size) noexcept;

    // AF_INET, AF_INET6, or AF_UNSPEC when there is none. Never suspends.
    [[nodiscard]] int family() const noexcept { return storage_.ss_family; }

    // 0 when the family has no ports. Never suspends.
    [[nodiscard]] std::uint16_t port() const noexcept;

    // The numeric address, with its scope, without brackets. Never suspends.
    [[nodiscard]] std::string address() const;

    // What the constructor takes. Never suspends.
    [[nodiscard]] std::string to_string() const;

    // For system calls. Never suspends.
    [[nodiscard]] const sockaddr* data() const noexcept;
    [[nodiscard]] socklen_t size() const noexcept { return size_; }

    // By family, address, port, scope. Never suspends.
    friend std::strong_ordering operator<=>(const endpoint&, const endpoint&) noexcept;
    friend bool operator==(const endpoint& a, const endpoint& b) noexcept {
        return (a <=> b) == std::strong_ordering::equal;
    }

  private:
    static endpoint parse(std::string_view text);

    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

// Never suspends.
std::ostream& operator<<(std::ostream&, const endpoint&);

}  // namespace ramie::net
