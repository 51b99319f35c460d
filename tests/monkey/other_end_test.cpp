// The second descriptor of sendfile, splice and tee: closed, or another file's number, while a
// fiber waits for the first.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "support/patched_test.hpp"
#include "support/waiting_calls.hpp"

namespace {

using namespace ramie::test;

class other_end : public patched_test, public ::testing::WithParamInterface<waiting_call> {
  protected:
    void SetUp() override { ASSERT_GE(site_.file, 0); }
    void TearDown() override {
        site_.close();
        patched_test::TearDown();
    }

    // What the call says when its second descriptor is closed, `renumber` was called, and the first
    // one is ready.
    template <class Renumber>
    int outcome_when(Renumber renumber) {
        const auto waiting = ramie::spawn([this] { return outcome_of(GetParam(), site_); });
        let_others_run();
        EXPECT_FALSE(waiting.ready());
        std::erase(site_.owned, site_.file);
        EXPECT_EQ(::close(site_.file), 0);
        renumber();
        GetParam().end(site_);
        return waiting.get();
    }
    static std::string bytes_waiting_at(int fd) {
        char bytes[10] = {};
        const ssize_t n = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        return n < 0 ? "" : std::string(bytes, static_cast<std::size_t>(n));
    }

    site site_{GetParam()};
};

TEST_P(other_end, is_bad_when_it_was_closed) {
    EXPECT_EQ(outcome_when([] {}), EBADF);
}

// The kernel would go on with the file that was meant. Here nothing may go to, or come from,
// another.
TEST_P(other_end, is_bad_when_its_number_was_given_out_again) {
    const ends fresh = open_channel(channel::pair);
    ASSERT_EQ(::send(fresh.b, "keep", 4, 0), 4);
    EXPECT_EQ(
        outcome_when([&] { EXPECT_EQ(::fcntl(fresh.a, F_DUPFD_CLOEXEC, site_.file), site_.file); }),
        EBADF);
    EXPECT_EQ(bytes_waiting_at(fresh.a), "keep");
    EXPECT_EQ(bytes_waiting_at(fresh.b), "");
    for (const int fd : {site_.file, fresh.a, fresh.b}) ::close(fd);
}

std::vector<waiting_call> calls_of_two_descriptors() {
    static constexpr std::string_view names[] = {"sendfile", "splice_of_a_socket",
                                                 "splice_of_a_pipe", "tee"};
    std::vector<waiting_call> all;
    std::ranges::copy_if(waiting_calls(), std::back_inserter(all), [](const waiting_call& each) {
        return std::ranges::find(names, each.name) != std::end(names);
    });
    return all;
}

INSTANTIATE_TEST_SUITE_P(, other_end, ::testing::ValuesIn(calls_of_two_descriptors()),
                         call_name<::testing::TestParamInfo<waiting_call>>);

}  // namespace
