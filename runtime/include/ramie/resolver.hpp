// How names are looked up: on threads of their own, while the fiber that asks waits.
//
//     ramie::configure_resolver({.limit = 10s, .keep = 30s});
//     auto peers = ramie::net::resolve("example.org", "https");   // or patched getaddrinfo()
//     std::cout << ramie::resolver_counters().lookups << '\n';
//
// libc does the looking up, so its files and rules hold. Equal questions that are asked at the same
// time become one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ramie {

struct resolver_options {
    // That look up names at the same time, at most; the rest waits. Settled by the first lookup.
    std::size_t threads = 32;
    // For one question; 0: as long as libc takes (`options` in resolv.conf says so).
    std::chrono::nanoseconds limit{0};
    // How long an answer, and how long a failure, is given again; 0: never.
    std::chrono::nanoseconds keep{0};
    std::chrono::nanoseconds keep_failures{0};
    // Answers that are kept, at most.
    std::size_t kept = 1024;
};

// For the whole process, from the next question on; drops the answers that were kept. Throws
// std::invalid_argument when there are to be no threads. Never suspends. Callable from any thread.
void configure_resolver(const resolver_options&);

struct resolver_figures {
    std::uint64_t lookups = 0;    // begun on a thread
    std::uint64_t under_way = 0;  // of them, not ended yet
    std::uint64_t shared = 0;     // questions that another one's lookup answered
    std::uint64_t reused = 0;     // questions that a kept answer answered
    std::uint64_t left = 0;       // questions whose fiber did not wait for the answer
};

// Never suspends. Callable from any thread.
[[nodiscard]] resolver_figures resolver_counters();

}  // namespace ramie
