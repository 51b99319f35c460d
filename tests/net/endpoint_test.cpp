#include "ramie/net/endpoint.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>

#include <set>
#include <sstream>
#include <system_error>

namespace {

using ramie::net::endpoint;

std::string error_of(const std::string& text) {
    try {
        const endpoint e(text);
        return "accepted as " + e.to_string();
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), std::errc::invalid_argument);
        EXPECT_NE(std::string(e.what()).find('"' + text + '"'), std::string::npos) << e.what();
        return e.what();
    }
}

TEST(endpoint, parses_ipv4_with_a_port) {
    const endpoint e = "127.0.0.1:7000";
    EXPECT_EQ(e.family(), AF_INET);
    EXPECT_EQ(e.port(), 7000);
    EXPECT_EQ(e.address(), "127.0.0.1");
    EXPECT_EQ(e.to_string(), "127.0.0.1:7000");
    EXPECT_EQ(e.size(), sizeof(sockaddr_in));
}

TEST(endpoint, parses_ipv6_in_brackets) {
    const endpoint e = std::string("[::1]:80");
    EXPECT_EQ(e.family(), AF_INET6);
    EXPECT_EQ(e.port(), 80);
    EXPECT_EQ(e.address(), "::1");
    EXPECT_EQ(e.to_string(), "[::1]:80");
    EXPECT_EQ(e.size(), sizeof(sockaddr_in6));
}

TEST(endpoint, a_port_alone_is_every_ipv4_address) {
    EXPECT_EQ(endpoint(":7000").to_string(), "0.0.0.0:7000");
    EXPECT_EQ(endpoint("", 7000), endpoint(":7000"));
}

TEST(endpoint, takes_address_and_port_apart) {
    EXPECT_EQ((endpoint{"127.0.0.1", 7000}), endpoint("127.0.0.1:7000"));
    EXPECT_EQ((endpoint{"::1", 7000}), endpoint("[::1]:7000"));
}

TEST(endpoint, knows_scopes_by_name_and_by_number) {
    const auto loopback = if_nametoindex("lo");
    ASSERT_NE(loopback, 0U);
    const endpoint named = "[fe80::1%lo]:80";
    EXPECT_EQ(reinterpret_cast<const sockaddr_in6*>(named.data())->sin6_scope_id, loopback);
    EXPECT_EQ(named, endpoint("[fe80::1%" + std::to_string(loopback) + "]:80"));
    EXPECT_EQ(named.to_string(), "[fe80::1%lo]:80");
    EXPECT_EQ(endpoint("[fe80::1%4000000]:80").to_string(), "[fe80::1%4000000]:80");
}

TEST(endpoint, accepts_every_port_from_0_to_65535) {
    EXPECT_EQ(endpoint("1.2.3.4:0").port(), 0);
    EXPECT_EQ(endpoint("1.2.3.4:65535").port(), 65535);
}

TEST(endpoint, refuses_what_it_cannot_read_and_says_why) {
    EXPECT_NE(error_of("127.0.0.1").find("port is missing"), std::string::npos);
    for (const char* port : {"", "65536", "-1", "+1", "80x", " 80", "0x50"})
        EXPECT_NE(error_of(std::string("127.0.0.1:") + port).find("0 to 65535"), std::string::npos);
    EXPECT_NE(error_of("::1:80").find("brackets"), std::string::npos);
    EXPECT_NE(error_of("[127.0.0.1]:80").find("not an IPv6 address"), std::string::npos);
    EXPECT_NE(error_of("[]:80").find("not an IPv6 address"), std::string::npos);
}

TEST(endpoint, refuses_an_interface_that_does_not_exist) {
    EXPECT_THROW(endpoint("[fe80::1%nosuchinterface]:80"), std::system_error);
}

TEST(endpoint, says_that_host_names_are_not_resolved) {
    const auto error = [](std::string_view name) {
        try {
            const endpoint e(name, 80);
        } catch (const std::system_error& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    EXPECT_NE(error("localhost").find("\"localhost\""), std::string::npos);
    EXPECT_NE(error("localhost").find("host names are not resolved"), std::string::npos);
    EXPECT_NE(error("1.2.3").find("host names are not resolved"), std::string::npos);
    EXPECT_THROW(endpoint("localhost:80"), std::system_error);
}

TEST(endpoint, compares_by_family_address_port_and_scope) {
    const std::set<endpoint> sorted = {"[::1]:1",   "10.0.0.1:2",     "9.0.0.1:3",
                                       "9.0.0.1:2", "[fe80::1%1]:80", "[fe80::1%2]:80",
                                       "9.0.0.1:3", "[fe80::1%1]:80"};
    std::ostringstream out;
    for (const endpoint& e : sorted)
        out << (e.family() == AF_INET ? e.to_string() : e.to_string().substr(0, 8)) << ' ';
    EXPECT_EQ(out.str(), "9.0.0.1:2 9.0.0.1:3 10.0.0.1:2 [::1]:1 [fe80::1 [fe80::1 ");
}

TEST(endpoint, no_address_says_so) {
    const endpoint none;
    EXPECT_EQ(none.to_string(), "unspecified");
    EXPECT_EQ(none.family(), AF_UNSPEC);
    EXPECT_EQ(none.port(), 0);
    EXPECT_EQ(none, endpoint());
    EXPECT_NE(none, endpoint(":0"));
}

TEST(endpoint, survives_a_round_trip_through_the_kernels_form) {
    const endpoint e = "[::1]:7000";
    EXPECT_EQ(endpoint::from_native(e.data(), e.size()), e);
}

}  // namespace
