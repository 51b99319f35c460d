#pragma once
// Child processes that end when they are told to.
//
//     child c;                // waits
//     c.end(7);               // exits with 7

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <vector>

#include "support/channels.hpp"

namespace ramie::test {

class child {
  public:
    child() {
        must("pipe2", ::pipe2(ends_.data(), O_CLOEXEC));
        pid_ = must("fork", ::fork());
        if (pid_ == 0) wait_for_orders();
        ::close(ends_[0]);
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() { ::close(ends_[1]); }

    [[nodiscard]] pid_t pid() const { return pid_; }
    void end(unsigned char code = 0) const { must("write", ::write(ends_[1], &code, 1)); }
    void send(int signal) const { must("kill", ::kill(pid_, signal)); }
    // Until it is a zombie.
    void end_completely(unsigned char code = 0) const {
        end(code);
        siginfo_t info;
        must("waitid", static_cast<int>(
                           ::syscall(SYS_waitid, P_PID, pid_, &info, WEXITED | WNOWAIT, nullptr)));
    }

  private:
    // Plain system calls: it does nothing but wait.
    [[noreturn]] void wait_for_orders() const {
        ::syscall(SYS_close, ends_[1]);
        unsigned char code = 0;
        ::syscall(SYS_read, ends_[0], &code, 1);
        ::_exit(code);
    }

    std::array<int, 2> ends_{};
    pid_t pid_ = -1;
};

using children = std::vector<std::shared_ptr<child>>;

inline children some_children(int count) {
    children all;
    for (int i = 0; i != count; ++i) all.push_back(std::make_shared<child>());
    return all;
}

}  // namespace ramie::test
