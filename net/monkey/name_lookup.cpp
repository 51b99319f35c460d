// getaddrinfo, getnameinfo. freeaddrinfo() stays libc's own: what is handed out is laid out as libc
// does it, each node one block of malloc() with its address, its canonical name another.

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "calls.hpp"
#include "local_names.hpp"
#include "question_key.hpp"
#include "ramie/detail/questions.hpp"

namespace ramie::monkey::detail {

namespace {

struct free_addresses {
    void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, free_addresses>;

struct lookup_answer : answer_base {
    int code = 0;
    int error_number = 0;
    void note(int result) noexcept {
        code = result;
        error_number = errno;
        if (code == 0)
            kept_as = worth::a_success;
        else if (code == EAI_NONAME || code == EAI_NODATA)
            kept_as = worth::a_failure;
    }
};

struct addresses final : lookup_answer {
    address_list list;
};

struct names final : lookup_answer {
    std::vector<char> host, service;
};

// What a question without an answer comes to.
int report(const asked& asked) noexcept {
    switch (asked.reason) {
        case wake::timed_out:
            return EAI_AGAIN;
        case wake::granted:
            return EAI_MEMORY;  // or no thread
        default:
            errno = wait_error(asked.reason);
            return EAI_SYSTEM;
    }
}

addrinfo* copy_of(const addrinfo& from) noexcept {
    auto* const made = static_cast<addrinfo*>(std::malloc(sizeof(addrinfo) + from.ai_addrlen));
    if (made == nullptr) return nullptr;
    *made = from;
    made->ai_next = nullptr;
    made->ai_canonname = nullptr;
    if (from.ai_addr != nullptr) {
        made->ai_addr = reinterpret_cast<sockaddr*>(made + 1);
        std::memcpy(made->ai_addr, from.ai_addr, from.ai_addrlen);
    }
    if (from.ai_canonname == nullptr) return made;
    made->ai_canonname = strdup(from.ai_canonname);
    if (made->ai_canonname != nullptr) return made;
    std::free(made);
    return nullptr;
}

int copy_list(const addrinfo* from, addrinfo** to) noexcept {
    address_list all;
    addrinfo* last = nullptr;
    for (; from != nullptr; from = from->ai_next) {
        addrinfo* const made = copy_of(*from);
        if (made == nullptr) return EAI_MEMORY;
        if (last == nullptr)
            all.reset(made);
        else
            last->ai_next = made;
        last = made;
    }
    *to = all.release();
    return 0;
}

bool asks_nobody(const char* node, const addrinfo* hints) noexcept {
    if (node == nullptr || is_numeric_host(node)) return true;
    const int flags = hints == nullptr ? 0 : hints->ai_flags;
    if ((flags & AI_NUMERICHOST) != 0) return true;
    // A canonical name may be asked for elsewhere.
    constexpr int needs_more = AI_CANONNAME | AI_IDN | AI_CANONIDN;
    return (flags & needs_more) == 0 &&
           is_in_hosts_file(node, hints == nullptr ? AF_UNSPEC : hints->ai_family);
}

std::optional<std::string> owned(const char* text) {
    return text == nullptr ? std::nullopt : std::optional<std::string>(text);
}

asked ask_for_addresses(const char* node, const char* service, const addrinfo* hints) {
    question_key key("getaddrinfo");
    key.add(node).add(service).add(hints != nullptr);
    std::optional<addrinfo> wanted;
    if (hints != nullptr) {
        wanted.emplace();
        wanted->ai_flags = hints->ai_flags;
        wanted->ai_family = hints->ai_family;
        wanted->ai_socktype = hints->ai_socktype;
        wanted->ai_protocol = hints->ai_protocol;
        key.add(hints->ai_flags).add(hints->ai_family);
        key.add(hints->ai_socktype).add(hints->ai_protocol);
    }
    return ask(key.bytes(), [node = std::string(node), service = owned(service), wanted] {
        auto answer = std::make_shared<addresses>();
        addrinfo* found = nullptr;
        answer->note(real::getaddrinfo(node.c_str(), service ? service->c_str() : nullptr,
                                       wanted ? &*wanted : nullptr, &found));
        answer->list.reset(answer->code == 0 ? found : nullptr);
        return answer;
    });
}

int look_up_addresses(const char* node, const char* service, const addrinfo* hints,
                      addrinfo** found) noexcept {
    try {
        const asked asked = ask_for_addresses(node, service, hints);
        if (asked.answer == nullptr) return report(asked);
        const auto& answer = static_cast<const addresses&>(*asked.answer);
        if (answer.code == 0) return copy_list(answer.list.get(), found);
        errno = answer.error_number;
        return answer.code;
    } catch (...) {
        return EAI_MEMORY;
    }
}

bool is_in_hosts_file(const sockaddr* address, socklen_t length) noexcept {
    if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
        const auto& four = *reinterpret_cast<const sockaddr_in*>(address);
        return is_address_in_hosts_file(&four.sin_addr, sizeof four.sin_addr, AF_INET);
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        const auto& six = *reinterpret_cast<const sockaddr_in6*>(address);
        return is_address_in_hosts_file(&six.sin6_addr, sizeof six.sin6_addr, AF_INET6);
    }
    return false;
}

// True for a host that is to be written as a name, and is not known here. To leave out the domain,
// libc asks for its own.
bool asks_others(const sockaddr* address, socklen_t length, const char* host, socklen_t host_size,
                 int flags) noexcept {
    return address != nullptr && length >= sizeof(sa_family_t) && host != nullptr &&
           host_size != 0 && (flags & NI_NUMERICHOST) == 0 &&
           (address->sa_family == AF_INET || address->sa_family == AF_INET6) &&
           ((flags & NI_NOFQDN) != 0 || !is_in_hosts_file(address, length));
}

asked ask_for_names(const sockaddr* address, socklen_t length, socklen_t host_size,
                    bool with_service, socklen_t service_size, int flags) {
    const std::string bytes(reinterpret_cast<const char*>(address), length);
    question_key key("getnameinfo");
    key.add(bytes).add(host_size).add(with_service).add(service_size).add(flags);
    return ask(key.bytes(), [=] {
        auto answer = std::make_shared<names>();
        answer->host.resize(host_size);
        answer->service.resize(service_size);
        answer->note(real::getnameinfo(
            reinterpret_cast<const sockaddr*>(bytes.data()), length, answer->host.data(), host_size,
            with_service ? answer->service.data() : nullptr, service_size, flags));
        return answer;
    });
}

void copy_text(const std::vector<char>& from, char* to) noexcept {
    if (to != nullptr && !from.empty()) std::strcpy(to, from.data());
}

int look_up_names(const sockaddr* address, socklen_t length, char* host, socklen_t host_size,
                  char* service, socklen_t service_size, int flags) noexcept {
    try {
        const asked asked = ask_for_names(address, length, host_size, service != nullptr,
                                          service == nullptr ? 0 : service_size, flags);
        if (asked.answer == nullptr) return report(asked);
        const auto& answer = static_cast<const names&>(*asked.answer);
        errno = answer.error_number;
        if (answer.code != 0) return answer.code;
        copy_text(answer.host, host);
        copy_text(answer.service, service);
        return 0;
    } catch (...) {
        return EAI_MEMORY;
    }
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
    if (!on_fiber(family::dns) || asks_nobody(node, hints))
        return real::getaddrinfo(node, service, hints, found);
    return look_up_addresses(node, service, hints, found);
}

int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_size,
                char* service, socklen_t service_size, int flags) {
    if (!on_fiber(family::dns) || !asks_others(address, length, host, host_size, flags))
        return real::getnameinfo(address, length, host, host_size, service, service_size, flags);
    return look_up_names(address, length, host, host_size, service, service_size, flags);
}
}
