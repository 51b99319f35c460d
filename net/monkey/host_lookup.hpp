// The older calls for hosts, which leave a hostent and what it points to in a buffer.
#pragma once

#include <netdb.h>

#include <cstddef>
#include <functional>
#include <string>

namespace ramie::monkey::detail {

// One of the ..._r calls with its question settled: the rest of its arguments.
using host_call = std::function<int(hostent*, char*, std::size_t, hostent**, int*)>;

// Calls it on a thread, with a buffer as large as `buffer` and aligned alike, and moves what it
// found to where the caller wants it: the result is that of the call itself. `key` tells it apart
// from others. Suspends the calling fiber.
int look_up_host(const std::string& key, const host_call& call, hostent* entry, char* buffer,
                 std::size_t size, hostent** found, int* host_error) noexcept;

}  // namespace ramie::monkey::detail
