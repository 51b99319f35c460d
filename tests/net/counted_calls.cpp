#include "counted_calls.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

namespace ramie::test {

namespace {
constinit thread_local call_counts counts;
constinit thread_local int accept_error = 0;
constinit thread_local int accepts_to_fail = 0;
}  // namespace

call_counts& calls() { return counts; }

void fail_next_accepts(int error, int count) {
    accept_error = error;
    accepts_to_fail = count;
}

failing_accepts::failing_accepts(int error) {
    fail_next_accepts(error, std::numeric_limits<int>::max());
}
failing_accepts::~failing_accepts() { fail_next_accepts(0, 0); }

}  // namespace ramie::test

extern "C" ssize_t recv(int fd, void* data, size_t size, int flags) {
    ++ramie::test::counts.recv;
    return syscall(SYS_recvfrom, fd, data, size, flags, nullptr, nullptr);
}

extern "C" ssize_t send(int fd, const void* data, size_t size, int flags) {
    ++ramie::test::counts.send;
    return syscall(SYS_sendto, fd, data, size, flags, nullptr, 0);
}

extern "C" int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
    ++ramie::test::counts.accept4;
    if (ramie::test::accepts_to_fail > 0) {
        --ramie::test::accepts_to_fail;
        errno = ramie::test::accept_error;
        return -1;
    }
    return static_cast<int>(syscall(SYS_accept4, fd, address, size, flags));
}
