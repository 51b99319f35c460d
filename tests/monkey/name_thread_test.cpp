// How many threads names take, however many are asked for at the same time.

#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "ramie/resolver.hpp"
#include "support/own_names.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace this_fiber = ramie::this_fiber;

std::ptrdiff_t threads_of_the_process() {
    const std::filesystem::directory_iterator all("/proc/self/task");
    return std::distance(begin(all), end(all));
}

class threads_for_names : public own_names_test {
  protected:
    // How many more there were than before, at most, while so many fibers did `ask(i)` at once. The
    // server answers nobody before there are `expected` of them.
    template <class Ask>
    static std::ptrdiff_t most_while(int count, std::ptrdiff_t expected, Ask ask) {
        name_server server({.is_held = true});
        const std::ptrdiff_t before = threads_of_the_process();
        std::ptrdiff_t most = 0;
        std::vector<ramie::fiber<>> asking;
        for (int i = 0; i != count; ++i) asking.push_back(ramie::spawn([=] { ask(i); }));
        const auto all_are_done = [&] {
            return std::ranges::all_of(asking, [](const auto& each) { return each.ready(); });
        };
        while (!all_are_done()) {
            this_fiber::sleep_for(1ms);
            most = std::max(most, threads_of_the_process() - before);
            if (most >= expected) server.let_go();
        }
        for (const auto& each : asking) each.get();
        return most;
    }
    static std::string host(int i) { return "host" + std::to_string(i) + "x.example.test"; }

    static void find(int i) {
        addrinfo hints{};
        hints.ai_family = AF_INET;
        addrinfo* found = nullptr;
        ASSERT_EQ(::getaddrinfo(host(i).c_str(), nullptr, &hints, &found), 0) << i;
        const auto* const at = reinterpret_cast<const sockaddr_in*>(found->ai_addr);
        EXPECT_EQ(ntohl(at->sin_addr.s_addr), 0x0a000000U + static_cast<unsigned>(i) % 250);
        ::freeaddrinfo(found);
    }
    // With settings of its own, to the end.
    static void query(int i) {
        struct __res_state own {};
        ASSERT_EQ(::res_ninit(&own), 0);
        std::array<unsigned char, 512> answer{};
        EXPECT_GT(::res_nquery(&own, host(i).c_str(), 1, 16, answer.data(), answer.size()), 0) << i;
        ::res_nclose(&own);
    }
};

TEST_F(threads_for_names, are_thirty_two_at_most_for_a_thousand_lookups) {
    EXPECT_EQ(most_while(1000, 32, find), 32);
}

TEST_F(threads_for_names, are_as_many_as_was_asked_for) {
    ramie::configure_resolver({.threads = 3});
    EXPECT_EQ(most_while(100, 3, find), 3);
}

// These wait on the same threads, not on some of their own.
TEST_F(threads_for_names, are_shared_by_queries_with_settings_of_their_own) {
    ramie::configure_resolver({.threads = 3});
    EXPECT_EQ(most_while(100, 3, [](int i) { i % 2 == 0 ? find(i) : query(i); }), 3);
}

}  // namespace
