// The addresses of a name.
//
//     for (const auto& each : ramie::net::resolve("example.org", "https", 5s)) std::cout << each;
//     auto peer = ramie::net::connect("example.org", "https", 5s);     // the first that answers
//     catch (const std::system_error& e) { if (e.code() == ramie::net::name_error::not_found) ... }
//
// libc looks it up, on the threads of ramie/resolver.hpp: its files, its search list, its order.
#pragma once

#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "ramie/deadline.hpp"
#include "ramie/net/endpoint.hpp"
#include "ramie/net/stream.hpp"

namespace ramie::net {

// The conditions that code() of a failed resolve() compares with; its value is getaddrinfo()'s own,
// its category name_category(), or the system's when the lookup failed in a system call.
enum class name_error {
    not_found = 1,    // no such name, or it has no address
    unknown_service,  // for a stream
    try_again,        // no server answered, or one said so; the resolver's own limit
    refused,          // a server failed for good
};

// What getaddrinfo() fails with. Never suspends. Callable from any thread.
[[nodiscard]] const std::error_category& name_category() noexcept;
[[nodiscard]] std::error_condition make_error_condition(name_error) noexcept;

// Every address, in the order in which they should be tried, at least one. `service` is a name or a
// number; empty: port 0. Numeric hosts are not looked up anywhere. Throws std::system_error with
// the name and the reason; timeout_expired at the deadline; what interrupts the fiber. Suspends the
// calling fiber.
[[nodiscard]] std::vector<endpoint> resolve(std::string_view host, std::string_view service,
                                            deadline until = {});

// A connection to the first address that accepts one, all under one deadline. Throws as resolve()
// and tcp_stream::connect() do; with several addresses, what the last one failed with. Suspends the
// calling fiber.
[[nodiscard]] tcp_stream connect(std::string_view host, std::string_view service,
                                 deadline until = {});

}  // namespace ramie::net

template <>
struct std::is_error_condition_enum<ramie::net::name_error> : std::true_type {};
