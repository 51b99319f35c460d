// A test of names: in a network of its own, with libc's files replaced; skipped, with the reason,
// where that is not permitted.
//
//     class names : public own_names_test {};
//     TEST_F(names, are_found) { const name_server server({}); ... }
#pragma once

#include <chrono>
#include <cstdio>

#include "support/name_server.hpp"
#include "support/patched_test.hpp"

namespace ramie::test {

// The network first: it cannot be entered by a process that has threads.
class own_names_test : private own_network, public patched_test {
  protected:
    own_names_test() = default;
    explicit own_names_test(std::chrono::seconds patience) : own_network("127.0.0.1", patience) {}

    void SetUp() override {
        if (problem().empty()) return;
        std::fprintf(stderr, "SKIPPED: %s\n", problem().c_str());
        GTEST_SKIP() << problem();
    }
};

}  // namespace ramie::test
