#include "ramie/net/endpoint.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <ostream>
#include <system_error>

namespace ramie::net {

namespace {

[[noreturn]] void refuse(std::string_view text, const char* reason) {
    throw std::system_error(EINVAL, std::generic_category(),
                            "endpoint \"" + std::string(text) + "\": " + reason);
}

// The kernel's own layouts over a sockaddr_storage, without breaking the aliasing rules.
template <class Address>
Address read_as(const sockaddr_storage& storage) noexcept {
    Address address;
    std::memcpy(&address, &storage, sizeof address);
    return address;
}

template <class Address>
endpoint make(const Address& address) noexcept {
    return endpoint::from_native(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

std::uint16_t parse_port(std::string_view digits, std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
        refuse(text, "the port must be a number from 0 to 65535");
    return port;
}

std::optional<endpoint> parse_ipv4(const std::string& text, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    // Empty: zero, which is every address.
    if (!text.empty() && inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1)
        return std::nullopt;
    return make(address);
}

// An interface by name or by number.
std::uint32_t parse_scope(const std::string& scope, std::string_view text) {
    std::uint32_t index = 0;
    const auto [end, error] = std::from_chars(scope.data(), scope.data() + scope.size(), index);
    if (error == std::errc() && end == scope.data() + scope.size()) return index;
    index = if_nametoindex(scope.c_str());
    if (index == 0) refuse(text, "no network interface has the name behind '%'");
    return index;
}

std::optional<endpoint> parse_ipv6(const std::string& text, std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    const auto percent = text.find('%');
    if (inet_pton(AF_INET6, text.substr(0, percent).c_str(), &address.sin6_addr) != 1)
        return std::nullopt;
    if (percent != std::string::npos)
        address.sin6_scope_id = parse_scope(text.substr(percent + 1), text);
    return make(address);
}

std::string with_scope(std::string address, std::uint32_t scope) {
    if (scope == 0) return address;
    char name[IF_NAMESIZE];
    return address + '%' + (if_indextoname(scope, name) ? name : std::to_string(scope));
}

}  // namespace

endpoint::endpoint(std::string_view address, std::uint16_t port) {
    const std::string text(address);
    auto parsed = parse_ipv4(text, port);
    if (!parsed) parsed = parse_ipv6(text, port);
    if (!parsed)
        refuse(address, "not a numeric IPv4 or IPv6 address; host names are not resolved here");
    *this = *parsed;
}

endpoint endpoint::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) refuse(text, "a port is missing; write ADDRESS:PORT");
    std::string_view address = text.substr(0, colon);
    const bool bracketed = address.starts_with('[') && address.ends_with(']');
    if (!bracketed && address.find(':') != std::string_view::npos)
        refuse(text, "an IPv6 address stands in brackets; write [ADDRESS]:PORT");
    const std::uint16_t port = parse_port(text.substr(colon + 1), text);
    if (!bracketed) return {address, port};
    address = address.substr(1, address.size() - 2);
    const auto parsed = parse_ipv6(std::string(address), port);
    if (!parsed) refuse(text, "what stands in brackets is not an IPv6 address");
    return *parsed;
}

endpoint endpoint::from_native(const sockaddr* address, socklen_t size) noexcept {
    endpoint made;
    made.size_ = std::min<socklen_t>(size, sizeof made.storage_);
    std::memcpy(&made.storage_, address, made.size_);
    return made;
}

std::uint16_t endpoint::port() const noexcept {
    if (family() == AF_INET) return ntohs(read_as<sockaddr_in>(storage_).sin_port);
    if (family() == AF_INET6) return ntohs(read_as<sockaddr_in6>(storage_).sin6_port);
    return 0;
}

std::string endpoint::address() const {
    char text[INET6_ADDRSTRLEN];
    if (family() == AF_INET) {
        const auto four = read_as<sockaddr_in>(storage_);
        return inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    }
    if (family() == AF_INET6) {
        const auto six = read_as<sockaddr_in6>(storage_);
        return with_scope(inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text),
                          six.sin6_scope_id);
    }
    return "unspecified";
}

std::string endpoint::to_string() const {
    if (family() == AF_INET) return address() + ':' + std::to_string(port());
    if (family() == AF_INET6) return '[' + address() + "]:" + std::to_string(port());
    return address();
}

const sockaddr* endpoint::data() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage_);
}

std::strong_ordering operator<=>(const endpoint& a, const endpoint& b) noexcept {
    if (a.family() != b.family()) return a.family() <=> b.family();
    if (a.family() == AF_INET6) {
        const auto left = read_as<sockaddr_in6>(a.storage_);
        const auto right = read_as<sockaddr_in6>(b.storage_);
        const int order = std::memcmp(&left.sin6_addr, &right.sin6_addr, sizeof left.sin6_addr);
        if (order != 0) return order <=> 0;
        if (a.port() != b.port()) return a.port() <=> b.port();
        return left.sin6_scope_id <=> right.sin6_scope_id;
    }
    if (a.family() == AF_INET) {
        const auto left = ntohl(read_as<sockaddr_in>(a.storage_).sin_addr.s_addr);
        const auto right = ntohl(read_as<sockaddr_in>(b.storage_).sin_addr.s_addr);
        return left != right ? left <=> right : a.port() <=> b.port();
    }
    if (a.size_ != b.size_) return a.size_ <=> b.size_;
    return std::memcmp(&a.storage_, &b.storage_, a.size_) <=> 0;
}

std::ostream& operator<<(std::ostream& out, const endpoint& e) { return out << e.to_string(); }

}  // namespace ramie::net
