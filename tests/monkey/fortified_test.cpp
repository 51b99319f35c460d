// This file is compiled with _FORTIFY_SOURCE: where the compiler knows the room but not the size,
// it calls __recv_chk and the like.

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <string>

#include "support/patched_test.hpp"

#if !defined(_FORTIFY_SOURCE) || !defined(__OPTIMIZE__)
#error "to be compiled with -O2 -D_FORTIFY_SOURCE=2"
#endif

namespace {

using namespace ramie::test;

struct fortified_call {
    const char* name;
    long (*wait)(int fd, std::size_t size);  // with room for eight bytes, or one pollfd
};
void PrintTo(const fortified_call& c, std::ostream* out) { *out << c.name; }

constexpr std::size_t room = 8;

[[gnu::noinline]] long by_read(int fd, std::size_t size) {
    char bytes[room];
    return ::read(fd, bytes, size);
}
[[gnu::noinline]] long by_recv(int fd, std::size_t size) {
    char bytes[room];
    return ::recv(fd, bytes, size, 0);
}
[[gnu::noinline]] long by_recvfrom(int fd, std::size_t size) {
    char bytes[room];
    return ::recvfrom(fd, bytes, size, 0, nullptr, nullptr);
}
[[gnu::noinline]] long by_poll(int fd, std::size_t size) {
    pollfd readable[1] = {{fd, POLLIN, 0}};
    return ::poll(readable, size / room, -1);
}

constexpr fortified_call calls[] = {
    {"read", by_read}, {"recv", by_recv}, {"recvfrom", by_recvfrom}, {"poll", by_poll}};

class fortified : public patched_test, public ::testing::WithParamInterface<fortified_call> {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        patched_test::TearDown();
    }
    const ends ends_ = open_channel(channel::tcp);
};

TEST_P(fortified, waits_as_a_fiber) {
    const auto f = ramie::spawn([&] { return GetParam().wait(ends_.a, hidden(room)); });
    let_others_run();
    EXPECT_FALSE(f.ready());
    ASSERT_EQ(::write(ends_.b, "x", 1), 1);
    EXPECT_EQ(f.get(), 1);
}

TEST_P(fortified, still_stops_an_overflow) {
    if (address_sanitizer) GTEST_SKIP() << "the sanitizer comes first";
    ::testing::GTEST_FLAG(death_test_style) = "fast";
    EXPECT_DEATH(GetParam().wait(ends_.a, hidden(2 * room)), "buffer overflow detected");
}

INSTANTIATE_TEST_SUITE_P(, fortified, ::testing::ValuesIn(calls),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
