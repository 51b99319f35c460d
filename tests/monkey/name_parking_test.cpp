// Every call that asks a name server parks its fiber. The server of the test does not answer before
// another fiber of the same thread has told it to, which none can while a call blocks the thread.

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <array>
#include <chrono>
#include <ostream>
#include <string>
#include <thread>

#include "support/own_names.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace this_fiber = ramie::this_fiber;

constexpr const char* domain = "example.test";
constexpr int internet = 1;
constexpr int type_a = 1;
constexpr int type_ptr = 12;
constexpr int type_txt = 16;

std::string host(const std::string& name) { return name + '.' + domain; }

// --- what the calls leave behind, as text -----------------------------------------------------

std::string failure(int code) { return "failed: " + std::to_string(code); }

std::string text_of(const hostent* entry) {
    if (entry == nullptr) return failure(h_errno);
    std::string all = entry->h_name;
    for (char** each = entry->h_addr_list; *each != nullptr; ++each) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(entry->h_addrtype, *each, text.data(), text.size());
        all += std::string(" ") + text.data();
    }
    return all;
}

// Without its number, which is random.
using message = std::array<unsigned char, 512>;
constexpr int room = 512;
std::string text_of(const message& bytes, int length) {
    if (length < 2) return failure(h_errno);
    return {bytes.begin() + 2, bytes.begin() + length};
}

in_addr address_of(const std::string& name) {
    in_addr address{};
    ::inet_pton(AF_INET, name == "missing" ? "11.0.0.1" : "10.0.0.7", &address);
    return address;
}

// Runs `call(entry, buffer, size, &found, &why)`.
template <class Call>
std::string in_a_buffer(Call call) {
    std::array<char, 1000> buffer{};
    hostent entry{};
    hostent* found = nullptr;
    int why = 0;
    const int code = call(&entry, buffer.data(), buffer.size(), &found, &why);
    return found == nullptr ? failure(code) + ' ' + std::to_string(why) : text_of(found);
}

// Runs `call(settings, bytes)`.
template <class Call>
std::string with_own_settings(Call call) {
    struct __res_state own {};
    must("res_ninit", ::res_ninit(&own));
    message bytes{};
    const int length = call(&own, bytes.data());
    ::res_nclose(&own);
    return text_of(bytes, length);
}

template <class Call>
std::string with_those_of_the_thread(Call call) {
    message bytes{};
    return text_of(bytes, call(bytes.data()));
}

// Runs `send(question, length)`.
template <class Send>
int made_and_sent(const std::string& name, Send send) {
    message bytes{};
    const int length =
        must("res_mkquery", ::res_mkquery(QUERY, host(name).c_str(), internet, type_txt, nullptr, 0,
                                          nullptr, bytes.data(), room));
    return send(bytes.data(), length);
}

// --- the calls -------------------------------------------------------------------------------

std::string by_getaddrinfo(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    addrinfo* found = nullptr;
    if (const int code = ::getaddrinfo(host(name).c_str(), nullptr, &hints, &found))
        return failure(code);
    const in_addr address = reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_addr;
    ::freeaddrinfo(found);
    return std::to_string(address.s_addr);
}
std::string by_getnameinfo(const std::string& name) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr = address_of(name);
    std::array<char, 100> text{};
    const int code = ::getnameinfo(reinterpret_cast<sockaddr*>(&at), sizeof at, text.data(),
                                   text.size(), nullptr, 0, NI_NAMEREQD);
    return code == 0 ? text.data() : failure(code);
}
std::string by_gethostbyname(const std::string& name) {
    return text_of(::gethostbyname(host(name).c_str()));
}
std::string by_gethostbyname2(const std::string& name) {
    return text_of(::gethostbyname2(host(name).c_str(), AF_INET));
}
std::string by_gethostbyaddr(const std::string& name) {
    const in_addr address = address_of(name);
    return text_of(::gethostbyaddr(&address, sizeof address, AF_INET));
}
std::string by_gethostbyname_r(const std::string& name) {
    return in_a_buffer(
        [&](auto... rest) { return ::gethostbyname_r(host(name).c_str(), rest...); });
}
std::string by_gethostbyname2_r(const std::string& name) {
    return in_a_buffer(
        [&](auto... rest) { return ::gethostbyname2_r(host(name).c_str(), AF_INET, rest...); });
}
std::string by_gethostbyaddr_r(const std::string& name) {
    const in_addr address = address_of(name);
    return in_a_buffer([&](auto... rest) {
        return ::gethostbyaddr_r(&address, sizeof address, AF_INET, rest...);
    });
}
std::string by_res_query(const std::string& name) {
    return with_those_of_the_thread([&](unsigned char* to) {
        return ::res_query(host(name).c_str(), internet, type_txt, to, room);
    });
}
std::string by_res_search(const std::string& name) {
    return with_those_of_the_thread([&](unsigned char* to) {
        return ::res_search(name.c_str(), internet, type_txt, to, room);
    });
}
std::string by_res_querydomain(const std::string& name) {
    return with_those_of_the_thread([&](unsigned char* to) {
        return ::res_querydomain(name.c_str(), domain, internet, type_txt, to, room);
    });
}
std::string by_res_send(const std::string& name) {
    return with_those_of_the_thread([&](unsigned char* to) {
        return made_and_sent(name, [=](const unsigned char* question, int length) {
            return ::res_send(question, length, to, room);
        });
    });
}
std::string by_res_nquery(const std::string& name) {
    return with_own_settings([&](res_state settings, unsigned char* to) {
        return ::res_nquery(settings, host(name).c_str(), internet, type_txt, to, room);
    });
}
std::string by_res_nsearch(const std::string& name) {
    return with_own_settings([&](res_state settings, unsigned char* to) {
        return ::res_nsearch(settings, name.c_str(), internet, type_txt, to, room);
    });
}
std::string by_res_nquerydomain(const std::string& name) {
    return with_own_settings([&](res_state settings, unsigned char* to) {
        return ::res_nquerydomain(settings, name.c_str(), domain, internet, type_txt, to, room);
    });
}
std::string by_res_nsend(const std::string& name) {
    return with_own_settings([&](res_state settings, unsigned char* to) {
        return made_and_sent(name, [=](const unsigned char* question, int length) {
            return ::res_nsend(settings, question, length, to, room);
        });
    });
}

struct name_call {
    const char* name;
    std::string (*ask)(const std::string& name);
    int type;  // of the question that the server gets
};
void PrintTo(const name_call& call, std::ostream* out) { *out << call.name; }

constexpr name_call calls[] = {
    {"getaddrinfo", by_getaddrinfo, type_a},
    {"getnameinfo", by_getnameinfo, type_ptr},
    {"gethostbyname", by_gethostbyname, type_a},
    {"gethostbyname2", by_gethostbyname2, type_a},
    {"gethostbyaddr", by_gethostbyaddr, type_ptr},
    {"gethostbyname_r", by_gethostbyname_r, type_a},
    {"gethostbyname2_r", by_gethostbyname2_r, type_a},
    {"gethostbyaddr_r", by_gethostbyaddr_r, type_ptr},
    {"res_query", by_res_query, type_txt},
    {"res_search", by_res_search, type_txt},
    {"res_querydomain", by_res_querydomain, type_txt},
    {"res_send", by_res_send, type_txt},
    {"res_nquery", by_res_nquery, type_txt},
    {"res_nsearch", by_res_nsearch, type_txt},
    {"res_nquerydomain", by_res_nquerydomain, type_txt},
    {"res_nsend", by_res_nsend, type_txt},
};

class a_name_call : public own_names_test, public ::testing::WithParamInterface<name_call> {
  protected:
    // On a fiber, while the server waits for this one.
    static std::string parked(const std::string& name) {
        name_server server({.is_held = true});
        const std::string question = GetParam().type != type_ptr ? host(name)
                                     : name == "missing"         ? "1.0.0.11.in-addr.arpa"
                                                                 : "7.0.0.10.in-addr.arpa";
        const auto asking = ramie::spawn([&] { return GetParam().ask(name); });
        while (server.asked(question, GetParam().type) == 0 && !asking.ready())
            this_fiber::sleep_for(1ms);
        EXPECT_FALSE(asking.ready());
        server.let_go();
        return asking.get();
    }
    // On a thread it is the plain call.
    static std::string plain(const std::string& name) {
        const name_server server({});
        std::string seen;
        std::thread([&] { seen = GetParam().ask(name); }).join();
        return seen;
    }
};

TEST_P(a_name_call, parks_and_has_the_plain_result) {
    for (const char* const name : {"host7", "missing"}) EXPECT_EQ(parked(name), plain(name));
    EXPECT_FALSE(plain("host7").starts_with("failed"));
    EXPECT_TRUE(plain("missing").starts_with("failed") || GetParam().type == type_txt);
}

INSTANTIATE_TEST_SUITE_P(, a_name_call, ::testing::ValuesIn(calls),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
