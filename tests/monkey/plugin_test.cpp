// A library that is loaded while the program runs makes the patched calls, too.

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "ramie/timeout.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;

class plugin : public patched_test {
  protected:
    void TearDown() override {
        for (const int fd : {ends_.a, ends_.b}) ::close(fd);
        ::dlclose(library_);
        patched_test::TearDown();
    }

    template <class Signature>
    Signature* find(const char* name) const {
        EXPECT_NE(library_, nullptr) << ::dlerror();
        return reinterpret_cast<Signature*>(::dlsym(library_, name));
    }

    void* library_ = ::dlopen(RAMIE_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    const ends ends_ = open_channel(channel::tcp);
};

TEST_F(plugin, receives_as_a_fiber) {
    for (const char* name : {"plugin_receive", "plugin_read"}) {
        auto* const receive = find<ssize_t(int, void*, std::size_t)>(name);
        const auto f = ramie::spawn([&] {
            char byte = 0;
            EXPECT_EQ(receive(ends_.a, &byte, 1), 1);
            return byte;
        });
        let_others_run();
        EXPECT_FALSE(f.ready());
        ASSERT_EQ(::write(ends_.b, "x", 1), 1);
        EXPECT_EQ(f.get(), 'x');
    }
}

TEST_F(plugin, sends_as_a_fiber) {
    auto* const send = find<ssize_t(int, const void*, std::size_t)>("plugin_send");
    const std::string much(8'000'000, 'x');
    const auto f = ramie::spawn([&] { return send(ends_.b, much.data(), much.size()); });
    let_others_run();
    EXPECT_FALSE(f.ready());
    std::string all(much.size(), '\0');
    EXPECT_EQ(::recv(ends_.a, all.data(), all.size(), MSG_WAITALL),
              static_cast<ssize_t>(much.size()));
    EXPECT_EQ(f.get(), static_cast<ssize_t>(much.size()));
    EXPECT_TRUE(all == much);
}

TEST_F(plugin, sleeps_as_a_fiber) {
    auto* const sleep = find<unsigned(unsigned)>("plugin_sleep");
    const ramie::timeout limit(5ms);
    EXPECT_LT(sleep(1'000), 1'000U);
    EXPECT_EQ(errno, ETIMEDOUT);
}

// What is said when the patch comes after a library has opened a socket.
std::string warning_for(void (*then)(int fd)) {
    void* const library = ::dlopen(RAMIE_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    auto* const open = reinterpret_cast<int (*)()>(::dlsym(library, "plugin_socket"));
    const int fd = must("socket", open());
    then(fd);
    ::testing::internal::CaptureStderr();
    ramie::monkey::patch_all();
    ::close(fd);
    ::dlclose(library);
    return ::testing::internal::GetCapturedStderr();
}

TEST(late_patch, names_the_library_that_has_a_socket) {
    if (ramie::monkey::is_patched("recv")) GTEST_SKIP() << "another test has patched this process";
    const int own = must("socket", ::socket(AF_UNIX, SOCK_STREAM, 0));
    const std::string text = warning_for([](int) {});
    EXPECT_NE(text.find(RAMIE_TEST_PLUGIN " made socket"), text.npos) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    ::close(own);
}

TEST(late_patch, does_not_mind_a_socket_that_is_closed) {
    if (ramie::monkey::is_patched("recv")) GTEST_SKIP() << "another test has patched this process";
    EXPECT_EQ(warning_for([](int fd) { ::close(fd); }), "");
}

// The program's own calls are libc's then, whatever is_patched() says.
TEST(late_patch, says_that_the_program_does_not_make_its_calls) {
    const std::string load = "python3 -c 'import ctypes; ctypes.CDLL(\"" RAMIE_TEST_LATE_PLUGIN
                             "\").patch_and_run()' 2>&1";
    FILE* const output = ::popen(load.c_str(), "r");
    std::string text;
    for (char part[256]; std::fgets(part, sizeof part, output) != nullptr;) text += part;
    EXPECT_EQ(::pclose(output), 0);
    EXPECT_NE(text.find("ramie: warning"), text.npos) << text;
    EXPECT_NE(text.find("ramie::monkey"), text.npos) << text;
}

}  // namespace
