// gethostbyname, gethostbyname2, gethostbyaddr and their ..._r forms. The plain forms leave their
// result in memory of the fiber, until its next call.

#include <arpa/inet.h>
#include <netdb.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "calls.hpp"
#include "host_lookup.hpp"
#include "local_names.hpp"
#include "question_key.hpp"
#include "ramie/local.hpp"

namespace ramie::monkey::detail {

namespace {

struct host_question {
    std::string key;
    host_call call;
    bool asks_nobody;
};

host_question by_name(const char* name) {
    return {question_key("gethostbyname").add(name).bytes(),
            [name = std::string(name)](hostent* entry, char* buffer, std::size_t size,
                                       hostent** found, int* host_error) {
                return real::gethostbyname_r(name.c_str(), entry, buffer, size, found, host_error);
            },
            is_numeric_host(name) || is_in_hosts_file(name, AF_INET)};
}

host_question by_name(const char* name, int family) {
    return {question_key("gethostbyname2").add(name).add(family).bytes(),
            [name = std::string(name), family](hostent* entry, char* buffer, std::size_t size,
                                               hostent** found, int* host_error) {
                return real::gethostbyname2_r(name.c_str(), family, entry, buffer, size, found,
                                              host_error);
            },
            is_numeric_host(name) || is_in_hosts_file(name, family)};
}

host_question by_address(const void* address, socklen_t length, int family) {
    const std::string bytes(static_cast<const char*>(address), length);
    return {question_key("gethostbyaddr").add(bytes).add(family).bytes(),
            [bytes, length, family](hostent* entry, char* buffer, std::size_t size, hostent** found,
                                    int* host_error) {
                return real::gethostbyaddr_r(bytes.data(), length, family, entry, buffer, size,
                                             found, host_error);
            },
            is_address_in_hosts_file(address, length, family)};
}

int answer(const host_question& q, hostent* entry, char* buffer, std::size_t size, hostent** found,
           int* host_error) {
    if (q.asks_nobody) return q.call(entry, buffer, size, found, host_error);
    return look_up_host(q.key, q.call, entry, buffer, size, found, host_error);
}

struct host_memory {
    hostent entry{};
    std::vector<char> buffer = std::vector<char>(1024);
};

bool parks() noexcept { return on_fiber(family::dns); }

local<host_memory>& memory_of_fibers() {
    static auto* const all = new local<host_memory>;
    return *all;
}

hostent* answer(const host_question& q) {
    host_memory& mine = memory_of_fibers().get();
    hostent* found = nullptr;
    int host_error = 0;
    while (answer(q, &mine.entry, mine.buffer.data(), mine.buffer.size(), &found, &host_error) ==
               ERANGE &&
           host_error == NETDB_INTERNAL)
        mine.buffer.resize(2 * mine.buffer.size());
    if (found == nullptr) h_errno = host_error;
    return found;
}

// For callers that may be C.
template <class F>
int without_throwing(hostent** found, int* host_error, F f) noexcept {
    try {
        return f();
    } catch (...) {
        *found = nullptr;
        *host_error = NETDB_INTERNAL;
        return errno = ENOMEM;
    }
}

template <class F>
hostent* without_throwing(F f) noexcept {
    try {
        return f();
    } catch (...) {
        errno = ENOMEM;
        h_errno = NETDB_INTERNAL;
        return nullptr;
    }
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

hostent* gethostbyname(const char* name) {
    if (!parks()) return real::gethostbyname(name);
    return without_throwing([=] { return answer(by_name(name)); });
}

hostent* gethostbyname2(const char* name, int family) {
    if (!parks()) return real::gethostbyname2(name, family);
    return without_throwing([=] { return answer(by_name(name, family)); });
}

hostent* gethostbyaddr(const void* address, socklen_t length, int family) {
    if (!parks()) return real::gethostbyaddr(address, length, family);
    return without_throwing([=] { return answer(by_address(address, length, family)); });
}

int gethostbyname_r(const char* name, hostent* entry, char* buffer, size_t size, hostent** found,
                    int* host_error) {
    if (!parks()) return real::gethostbyname_r(name, entry, buffer, size, found, host_error);
    return without_throwing(found, host_error, [=] {
        return answer(by_name(name), entry, buffer, size, found, host_error);
    });
}

int gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, size_t size,
                     hostent** found, int* host_error) {
    if (!parks())
        return real::gethostbyname2_r(name, family, entry, buffer, size, found, host_error);
    return without_throwing(found, host_error, [=] {
        return answer(by_name(name, family), entry, buffer, size, found, host_error);
    });
}

int gethostbyaddr_r(const void* address, socklen_t length, int family, hostent* entry, char* buffer,
                    size_t size, hostent** found, int* host_error) {
    if (!parks())
        return real::gethostbyaddr_r(address, length, family, entry, buffer, size, found,
                                     host_error);
    return without_throwing(found, host_error, [=] {
        return answer(by_address(address, length, family), entry, buffer, size, found, host_error);
    });
}
}
