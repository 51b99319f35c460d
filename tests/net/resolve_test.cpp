// Names of this machine; those that a server answers are in tests/monkey/name_test.cpp.

#include "ramie/net/resolve.hpp"

#include <netdb.h>

#include <thread>

#include "ramie/net/listener.hpp"
#include "ramie/resolver.hpp"
#include "support/fiber_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
namespace net = ramie::net;
using resolving = fiber_test;

TEST_F(resolving, numbers_asks_nobody) {
    const auto before = ramie::resolver_counters().lookups;
    EXPECT_EQ(net::resolve("127.0.0.1", "80"), std::vector<net::endpoint>{"127.0.0.1:80"});
    EXPECT_EQ(net::resolve("::1", "http"), std::vector<net::endpoint>{"[::1]:80"});
    EXPECT_EQ(ramie::resolver_counters().lookups, before);
}

TEST_F(resolving, a_name_lets_the_other_fibers_run) {
    bool others_ran = false;
    auto other = ramie::spawn([&] { others_ran = true; });
    const auto all = net::resolve("localhost", "443", 10s);
    EXPECT_TRUE(others_ran);
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(all[0].port(), 443);
    other.get();
}

TEST_F(resolving, says_what_failed) {
    try {
        static_cast<void>(net::resolve("localhost", "no-such-service"));
        FAIL();
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), net::name_error::unknown_service);
        EXPECT_NE(e.code(), net::name_error::not_found);
        EXPECT_EQ(e.code().value(), EAI_SERVICE);
        EXPECT_NE(std::string(e.what()).find("no-such-service"), std::string::npos);
    }
}

TEST_F(resolving, ends_at_the_deadline) {
    EXPECT_THROW(static_cast<void>(net::resolve("localhost", "80", 0s)), ramie::timeout_expired);
}

TEST_F(resolving, ends_with_the_fiber) {
    auto asking = ramie::spawn([] { static_cast<void>(net::resolve("localhost", "80")); });
    ramie::this_fiber::yield();
    asking.kill();
    EXPECT_TRUE(asking.ready());
}

TEST_F(resolving, connects_to_the_first_that_accepts) {
    net::tcp_listener listener("127.0.0.1:0");
    const auto port = std::to_string(listener.local_endpoint().port());
    auto accepting = ramie::spawn([&] { return listener.accept().remote_endpoint(); });
    // Where it is ::1 first, nobody listens there.
    const auto peer = net::connect("localhost", port, 10s);
    EXPECT_EQ(accepting.get(), peer.local_endpoint());
}

TEST_F(resolving, equal_questions_at_a_time_is_done_once) {
    const auto before = ramie::resolver_counters();
    std::vector<ramie::fiber<>> asking;
    for (int i = 0; i != 10; ++i)
        asking.push_back(ramie::spawn([] { static_cast<void>(net::resolve("localhost", "81")); }));
    ramie::join_all(asking);
    const auto after = ramie::resolver_counters();
    EXPECT_EQ(after.lookups + after.shared, before.lookups + before.shared + 10);
    EXPECT_LT(after.lookups, before.lookups + 10);
}

TEST_F(resolving, wants_threads) {
    EXPECT_THROW(ramie::configure_resolver({.threads = 0}), std::invalid_argument);
}

}  // namespace
