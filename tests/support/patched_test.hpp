#pragma once
// What the tests of patched calls on fibers share: the body of a test is a fiber, every call is
// patched, and a call that blocks the thread ends the process.

#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "ramie/monkey.hpp"
#include "support/channels.hpp"
#include "support/fiber_test.hpp"
#include "support/watchdog.hpp"

namespace ramie::test {

// A thread keeps what its first patched accept made. To be built before descriptors are counted.
struct accept_before {
    accept_before() {
        monkey::patch_all();
        run([] {
            const int listener = open_listener(AF_UNIX, 1, SOCK_NONBLOCK);
            static_cast<void>(::accept(listener, nullptr, nullptr));
            ::close(listener);
        });
    }
};

class patched_test : private accept_before, public fiber_test {
    const watchdog dog_{std::chrono::seconds(20)};
};

}  // namespace ramie::test
