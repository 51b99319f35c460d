#pragma once
// Another standard input.
//
//     with_standard_input(pipe.a, [] { ... std::getchar() ... });

#include <unistd.h>

#include "support/channels.hpp"

namespace ramie::test {

// It is `fd` while `f` runs, which leaves nothing of it in the buffer of stdin.
template <class F>
void with_standard_input(int fd, F f) {
    const int kept = must("dup", ::dup(STDIN_FILENO));
    must("dup2", ::dup2(fd, STDIN_FILENO));
    f();
    must("dup2", ::dup2(kept, STDIN_FILENO));
    ::close(kept);
}

}  // namespace ramie::test
