// Names for which nobody else is asked: then the call never leaves the fiber.
#pragma once

#include <cstddef>

namespace ramie::monkey::detail {

// "127.0.0.1", "127.1", "fe80::1%eth0".
bool is_numeric_host(const char* name) noexcept;

// True when libc looks into /etc/hosts first and finds an address of `family` there (AF_UNSPEC: of
// any), so that it goes no further.
bool is_in_hosts_file(const char* name, int family) noexcept;

// True when it looks there first and finds a name for this address of AF_INET or AF_INET6.
bool is_address_in_hosts_file(const void* address, std::size_t length, int family) noexcept;

}  // namespace ramie::monkey::detail
