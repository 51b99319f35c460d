// The public names of the plain calls.

#include "ramie/monkey/original.hpp"

#include "calls.hpp"
#include "ramie/monkey/original_libc.hpp"

namespace ramie::monkey::original {

namespace real = detail::real;

int socket(int domain, int type, int protocol) { return real::socket(domain, type, protocol); }
int socketpair(int domain, int type, int protocol, int fds[2]) {
    return real::socketpair(domain, type, protocol, fds);
}
int accept(int fd, sockaddr* address, socklen_t* length) {
    return real::accept(fd, address, length);
}
int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    return real::accept4(fd, address, length, flags);
}
int connect(int fd, const sockaddr* address, socklen_t length) {
    return real::connect(fd, address, length);
}
int shutdown(int fd, int how) { return real::shutdown(fd, how); }
int close(int fd) { return real::close(fd); }
int bind(int fd, const sockaddr* address, socklen_t length) {
    return real::bind(fd, address, length);
}
int listen(int fd, int backlog) { return real::listen(fd, backlog); }

ssize_t recv(int fd, void* data, size_t size, int flags) {
    return real::recv(fd, data, size, flags);
}
ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* length) {
    return real::recvfrom(fd, data, size, flags, from, length);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) { return real::recvmsg(fd, message, flags); }
ssize_t send(int fd, const void* data, size_t size, int flags) {
    return real::send(fd, data, size, flags);
}
ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
               socklen_t length) {
    return real::sendto(fd, data, size, flags, to, length);
}
ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    return real::sendmsg(fd, message, flags);
}
ssize_t read(int fd, void* data, size_t size) { return real::read(fd, data, size); }
ssize_t readv(int fd, const iovec* parts, int count) { return real::readv(fd, parts, count); }
ssize_t write(int fd, const void* data, size_t size) { return real::write(fd, data, size); }
ssize_t writev(int fd, const iovec* parts, int count) { return real::writev(fd, parts, count); }

int dup(int fd) { return real::dup(fd); }
int dup2(int from, int to) { return real::dup2(from, to); }
int dup3(int from, int to, int flags) { return real::dup3(from, to, flags); }
int pipe(int fds[2]) { return real::pipe(fds); }
int pipe2(int fds[2], int flags) { return real::pipe2(fds, flags); }
int fcntl(int fd, int command, void* argument) { return real::fcntl(fd, command, argument); }
int ioctl(int fd, unsigned long request, void* argument) {
    return real::ioctl(fd, request, argument);
}
int setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
    return real::setsockopt(fd, level, name, value, length);
}
int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
    return real::getsockopt(fd, level, name, value, length);
}

int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
    return real::recvmmsg(fd, messages, count, flags, timeout);
}
int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
    return real::sendmmsg(fd, messages, count, flags);
}
ssize_t sendfile(int to, int from, off_t* offset, size_t size) {
    return real::sendfile(to, from, offset, size);
}
ssize_t splice(int from, off_t* from_offset, int to, off_t* to_offset, size_t size,
               unsigned flags) {
    return real::splice(from, from_offset, to, to_offset, size, flags);
}
ssize_t tee(int from, int to, size_t size, unsigned flags) {
    return real::tee(from, to, size, flags);
}
ssize_t vmsplice(int fd, const iovec* parts, size_t count, unsigned flags) {
    return real::vmsplice(fd, parts, count, flags);
}
ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) {
    return real::preadv2(fd, parts, count, offset, flags);
}
ssize_t pwritev2(int fd, const iovec* parts, int count, off_t offset, int flags) {
    return real::pwritev2(fd, parts, count, offset, flags);
}
int open(const char* path, int flags, mode_t mode) { return real::open(path, flags, mode); }
int openat(int directory, const char* path, int flags, mode_t mode) {
    return real::openat(directory, path, flags, mode);
}
int flock(int fd, int operation) { return real::flock(fd, operation); }
int lockf(int fd, int command, off_t size) { return real::lockf(fd, command, size); }

int poll(pollfd* fds, nfds_t count, int timeout_ms) { return real::poll(fds, count, timeout_ms); }
int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
    return real::ppoll(fds, count, timeout, mask);
}
int select(int count, fd_set* read, fd_set* write, fd_set* except, timeval* timeout) {
    return real::select(count, read, write, except, timeout);
}
int pselect(int count, fd_set* read, fd_set* write, fd_set* except, const timespec* timeout,
            const sigset_t* mask) {
    return real::pselect(count, read, write, except, timeout, mask);
}
int epoll_wait(int set, epoll_event* events, int room, int timeout_ms) {
    return real::epoll_wait(set, events, room, timeout_ms);
}
int epoll_pwait(int set, epoll_event* events, int room, int timeout_ms, const sigset_t* mask) {
    return real::epoll_pwait(set, events, room, timeout_ms, mask);
}
int epoll_pwait2(int set, epoll_event* events, int room, const timespec* timeout,
                 const sigset_t* mask) {
    return real::epoll_pwait2(set, events, room, timeout, mask);
}
int pause() { return real::pause(); }
int sigsuspend(const sigset_t* mask) { return real::sigsuspend(mask); }
int sigwait(const sigset_t* signals, int* taken) { return real::sigwait(signals, taken); }
int sigwaitinfo(const sigset_t* signals, siginfo_t* info) {
    return real::sigwaitinfo(signals, info);
}
int sigtimedwait(const sigset_t* signals, siginfo_t* info, const timespec* timeout) {
    return real::sigtimedwait(signals, info, timeout);
}
int sigaction(int signal, const struct sigaction* action, struct sigaction* before) {
    return real::sigaction(signal, action, before);
}
unsigned sleep(unsigned seconds) { return real::sleep(seconds); }
int usleep(useconds_t microseconds) { return real::usleep(microseconds); }
int nanosleep(const timespec* duration, timespec* rest) { return real::nanosleep(duration, rest); }
int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* rest) {
    return real::clock_nanosleep(clock, flags, time, rest);
}

pid_t wait(int* status) { return real::wait4(-1, status, 0, nullptr); }
pid_t waitpid(pid_t pid, int* status, int options) { return real::waitpid(pid, status, options); }
pid_t wait3(int* status, int options, rusage* usage) {
    return real::wait4(-1, status, options, usage);
}
pid_t wait4(pid_t pid, int* status, int options, rusage* usage) {
    return real::wait4(pid, status, options, usage);
}
int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
    return real::waitid(type, id, info, options);
}
int system(const char* command) { return real::system(command); }
FILE* popen(const char* command, const char* type) { return real::popen(command, type); }
int pclose(FILE* stream) { return real::pclose(stream); }

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found) {
    return real::getaddrinfo(node, service, hints, found);
}
int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_size,
                char* service, socklen_t service_size, int flags) {
    return real::getnameinfo(address, length, host, host_size, service, service_size, flags);
}
hostent* gethostbyname(const char* name) { return real::gethostbyname(name); }
hostent* gethostbyname2(const char* name, int family) { return real::gethostbyname2(name, family); }
hostent* gethostbyaddr(const void* address, socklen_t length, int family) {
    return real::gethostbyaddr(address, length, family);
}

int siginterrupt(int signal, int interrupts) { return real::siginterrupt(signal, interrupts); }
int res_query(const char* name, int type_class, int type, unsigned char* answer, int room) {
    return real::res_query(name, type_class, type, answer, room);
}
int res_search(const char* name, int type_class, int type, unsigned char* answer, int room) {
    return real::res_search(name, type_class, type, answer, room);
}
int res_querydomain(const char* name, const char* domain, int type_class, int type,
                    unsigned char* answer, int room) {
    return real::res_querydomain(name, domain, type_class, type, answer, room);
}
int res_send(const unsigned char* question, int size, unsigned char* answer, int room) {
    return real::res_send(question, size, answer, room);
}
int res_nquery(__res_state* state, const char* name, int type_class, int type,
               unsigned char* answer, int room) {
    return real::res_nquery(state, name, type_class, type, answer, room);
}
int res_nsearch(__res_state* state, const char* name, int type_class, int type,
                unsigned char* answer, int room) {
    return real::res_nsearch(state, name, type_class, type, answer, room);
}
int res_nquerydomain(__res_state* state, const char* name, const char* domain, int type_class,
                     int type, unsigned char* answer, int room) {
    return real::res_nquerydomain(state, name, domain, type_class, type, answer, room);
}
int res_nsend(__res_state* state, const unsigned char* question, int size, unsigned char* answer,
              int room) {
    return real::res_nsend(state, question, size, answer, room);
}

}  // namespace ramie::monkey::original
