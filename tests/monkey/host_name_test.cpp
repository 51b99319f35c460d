// gethostbyname and its kin, and res_query and its, against a name server of the test's own.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "ramie/thread_pool.hpp"
#include "support/own_names.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace original = ramie::monkey::original;
namespace this_fiber = ramie::this_fiber;

class host_names : public own_names_test {};

std::string text_of(const hostent* entry) {
    if (entry == nullptr) return "failed: " + std::to_string(h_errno);
    std::string all = std::string(entry->h_name) + ' ' + std::to_string(entry->h_addrtype);
    for (char** each = entry->h_aliases; *each != nullptr; ++each) all += std::string(" =") + *each;
    for (char** each = entry->h_addr_list; *each != nullptr; ++each) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        ::inet_ntop(entry->h_addrtype, *each, text.data(), text.size());
        all += std::string(" ") + text.data();
    }
    return all;
}

TEST_F(host_names, are_what_the_plain_calls_find) {
    const name_server server({});
    for (const char* const name : {"127.0.0.1", "localhost", "near", "host7", "many.example.test",
                                   "alias3.example.test", "missing.example.test", "six"}) {
        EXPECT_EQ(text_of(::gethostbyname(name)), text_of(original::gethostbyname(name))) << name;
        for (const int family : {AF_INET, AF_INET6})
            EXPECT_EQ(text_of(::gethostbyname2(name, family)),
                      text_of(original::gethostbyname2(name, family)))
                << name;
    }
    for (const unsigned last : {7U, 8U}) {
        const in_addr address{htonl(0x0a000000U + last)};
        EXPECT_EQ(text_of(::gethostbyaddr(&address, sizeof address, AF_INET)),
                  text_of(original::gethostbyaddr(&address, sizeof address, AF_INET)));
    }
}

TEST_F(host_names, in_a_buffer_of_the_callers_are_as_large_as_those_of_libc) {
    const name_server server({});
    for (std::size_t size = 1; size < 700; size += 13) {
        std::array<std::string, 2> texts;
        for (const bool patched : {false, true}) {
            std::vector<char> buffer(size);
            hostent entry{};
            hostent* found = nullptr;
            int why = 0;
            const auto ask = [&] {
                return ::gethostbyname_r("many.example.test", &entry, buffer.data(), size, &found,
                                         &why);
            };
            // On a thread it is the plain call.
            const int code = patched ? ask() : ramie::offload(ask);
            texts[patched ? 1 : 0] = std::to_string(code) + ' ' + std::to_string(why) + ' ' +
                                     (found == &entry ? text_of(found) : "nothing");
        }
        EXPECT_EQ(texts[0], texts[1]) << size;
    }
}

TEST_F(host_names, of_two_fibers_do_not_mix) {
    const name_server server({.delay = 5ms});
    std::vector<ramie::fiber<>> asking;
    int found = 0;
    for (int i = 1; i != 6; ++i)
        asking.push_back(ramie::spawn([&found, i] {
            const std::string name = "host" + std::to_string(i) + ".example.test";
            const hostent* const mine = ::gethostbyname(name.c_str());
            ++found;
            while (found != 5) this_fiber::yield();
            EXPECT_EQ(text_of(mine), name + " 2 10.0.0." + std::to_string(i));
        }));
    ramie::join_all(asking);
}

TEST_F(host_names, of_res_query_are_messages) {
    name_server server({.delay = 10ms});
    std::vector<ramie::fiber<int>> asking;
    for (int i = 0; i != 4; ++i)
        asking.push_back(ramie::spawn([i] {
            std::array<unsigned char, 512> answer{};
            const int size = static_cast<int>(answer.size());
            struct __res_state own {};
            ::res_ninit(&own);
            const int length =
                i == 0   ? ::res_query("host1.example.test", 1, 16, answer.data(), size)
                : i == 1 ? ::res_search("host1", 1, 16, answer.data(), size)
                : i == 2 ? ::res_nquery(&own, "host1.example.test", 1, 16, answer.data(), size)
                         : ::res_querydomain("host1", "example.test", 1, 16, answer.data(), size);
            ::res_nclose(&own);
            EXPECT_EQ(std::string(answer.begin(), answer.begin() + std::max(length, 0))
                          .substr(static_cast<std::size_t>(std::max(length - 3, 0))),
                      "\x02hi");
            return length;
        }));
    for (auto& each : asking) EXPECT_EQ(each.get(), asking[0].get());
    std::array<unsigned char, 512> answer{};
    EXPECT_EQ(::res_query("missing.example.test", 1, 16, answer.data(), 512), -1);
    EXPECT_EQ(h_errno, HOST_NOT_FOUND);
}

}  // namespace
