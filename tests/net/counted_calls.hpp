// The system calls of sockets, counted and made to fail: this executable's own recv, send and
// accept4 stand before those of libc. For each thread on its own.
#pragma once

namespace ramie::test {

struct call_counts {
    int recv = 0;
    int send = 0;
    int accept4 = 0;
};

// Of the calling thread, since it began.
call_counts& calls();

// While it exists, every accept4 of the calling thread fails so.
class failing_accepts {
  public:
    explicit failing_accepts(int error);
    ~failing_accepts();
    failing_accepts(const failing_accepts&) = delete;
    failing_accepts& operator=(const failing_accepts&) = delete;
};

// Only the next `count` fail.
void fail_next_accepts(int error, int count);

}  // namespace ramie::test
