// on_blocked() and the patch: who waits in a patched call is parked, and holds up nobody.

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include "ramie/monkey/original.hpp"
#include "support/blocked_reports.hpp"
#include "support/patched_test.hpp"

namespace {

using namespace ramie::test;
using namespace std::chrono_literals;
using ramie::spawn;

class a_blocking_call : public patched_test {
  protected:
    void TearDown() override {
        stop();
        patched_test::TearDown();
    }

    void start() { ramie::on_blocked(added_to(reports_), 10ms); }
    static void stop() { ramie::on_blocked({}, 0ms); }

    // Again and again: of what happens within a second of another report nothing is told.
    void block_until_reported(std::string_view name) {
        while (!reports_->names(name)) {
            for (int i = 0; i != 50; ++i) ramie::monkey::original::usleep(1'000);
            ::usleep(1'000);
        }
    }

    const std::shared_ptr<blocked_reports> reports_ = std::make_shared<blocked_reports>();
};

TEST_F(a_blocking_call, past_the_patch_is_reported_with_its_fiber) {
    start();
    spawn({.name = "past the patch"}, [this] { block_until_reported("past the patch"); }).get();
    EXPECT_TRUE(reports_->names("past the patch"));
}

// That the others are looked at meanwhile shows on another thread, whose fiber is reported.
TEST_F(a_blocking_call, that_is_patched_is_not_reported) {
    const auto parked = spawn({.name = "parked"}, [] {
        EXPECT_EQ(::usleep(3'600'000'000U), -1);
        EXPECT_EQ(errno, ECANCELED);
    });
    let_others_run();
    start();
    std::thread other([this] {
        ramie::run([this] {
            spawn({.name = "past the patch"}, [this] {
                block_until_reported("past the patch");
            }).join();
        });
    });
    other.join();
    stop();
    EXPECT_FALSE(reports_->names("parked"));
    parked.kill();
}

}  // namespace
