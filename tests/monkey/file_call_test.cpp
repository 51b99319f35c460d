// Each call on files: with patch_file() a thread of the pool makes it while other fibers run,
// without it the fiber's own thread does, and both give what the plain call gives.

#include "ramie/thread_pool.hpp"
#include "support/file_calls.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;

class a_file_call : public patched_test, public ::testing::WithParamInterface<file_call> {
  protected:
    void TearDown() override {
        // A thread has a hold on the scheduler until it has put its work away.
        while (ramie::default_thread_pool().busy() != 0) ramie::this_fiber::yield();
        patched_test::TearDown();
    }

    // Of the plain call: that of a thread without fibers.
    static std::string expected() { return ramie::offload(&said_on_this_thread); }
    static std::string said_on_this_thread() {
        place p;
        GetParam().make(p);
        return p.said();
    }
};

TEST_P(a_file_call, is_made_by_a_thread_of_the_pool_while_others_run) {
    ramie::monkey::patch_file();
    const std::string plain = expected();
    place p;
    const auto disk = GetParam().hang();
    const auto caller = ramie::spawn([&] { GetParam().make(p); });
    while (disk->waiting() == 0 && !caller.ready()) ramie::this_fiber::yield();
    EXPECT_FALSE(caller.ready());
    int turns = 0;
    const auto other = ramie::spawn([&] {
        for (; turns != 20; ++turns) ramie::this_fiber::yield();
    });
    other.get();
    EXPECT_EQ(disk->waiting(), 1);
    EXPECT_FALSE(caller.ready());
    disk->let_go();
    caller.get();
    EXPECT_EQ(disk->made_by_fibers(), 0);
    EXPECT_EQ(p.said(), plain);
}

TEST_P(a_file_call, is_not_patched_unless_asked_for) {
    if (ramie::monkey::is_patched("pread"))
        GTEST_SKIP() << "another test has patched files in this process";
    const std::string plain = expected();
    place p;
    const auto disk = GetParam().hang();
    ramie::spawn([&] { GetParam().make(p); }).get();
    EXPECT_GE(disk->made_by_fibers(), 2);
    EXPECT_EQ(disk->made_elsewhere(), 0);
    EXPECT_EQ(p.said(), plain);
}

INSTANTIATE_TEST_SUITE_P(, a_file_call, ::testing::ValuesIn(file_calls()),
                         [](const auto& each) { return each.param.name; });

bool is_of_sockets_too(std::string_view name) {
    return name == "open" || name == "read" || name == "readv" || name == "write" ||
           name == "writev";
}

TEST(unpatched_files, are_what_patch_all_leaves) {
    if (ramie::monkey::is_patched("pread"))
        GTEST_SKIP() << "another test has patched files in this process";
    ramie::monkey::patch_all();
    for (const file_call& each : file_calls())
        EXPECT_EQ(ramie::monkey::is_patched(each.name), is_of_sockets_too(each.name)) << each.name;
}

}  // namespace
