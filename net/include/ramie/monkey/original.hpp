// The plain libc calls, past the patch.
//
//     ramie::monkey::original::sleep(1);      // blocks the whole thread, on a fiber too
//
// Each is what libc (or a sanitizer in front of it) provides: same arguments, same result, same
// errno. Never suspends. Callable from any thread.
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <ctime>

struct addrinfo;
struct hostent;
struct rusage;

namespace ramie::monkey::original {

int socket(int domain, int type, int protocol);
int socketpair(int domain, int type, int protocol, int fds[2]);
int accept(int fd, sockaddr* address, socklen_t* length);
int accept4(int fd, sockaddr* address, socklen_t* length, int flags);
int connect(int fd, const sockaddr* address, socklen_t length);
int shutdown(int fd, int how);
int close(int fd);
int bind(int fd, const sockaddr* address, socklen_t length);
int listen(int fd, int backlog);

ssize_t recv(int fd, void* data, size_t size, int flags);
ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* length);
ssize_t recvmsg(int fd, msghdr* message, int flags);
ssize_t send(int fd, const void* data, size_t size, int flags);
ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
               socklen_t length);
ssize_t sendmsg(int fd, const msghdr* message, int flags);
ssize_t read(int fd, void* data, size_t size);
ssize_t readv(int fd, const iovec* parts, int count);
ssize_t write(int fd, const void* data, size_t size);
ssize_t writev(int fd, const iovec* parts, int count);

int dup(int fd);
int dup2(int from, int to);
int dup3(int from, int to, int flags);
int pipe(int fds[2]);
int pipe2(int fds[2], int flags);
int fcntl(int fd, int command, void* argument);
int ioctl(int fd, unsigned long request, void* argument);
int setsockopt(int fd, int level, int name, const void* value, socklen_t length);
int getsockopt(int fd, int level, int name, void* value, socklen_t* length);

int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout);
int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags);
ssize_t sendfile(int to, int from, off_t* offset, size_t size);
ssize_t splice(int from, off_t* from_offset, int to, off_t* to_offset, size_t size, unsigned flags);
ssize_t tee(int from, int to, size_t size, unsigned flags);
ssize_t vmsplice(int fd, const iovec* parts, size_t count, unsigned flags);
ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags);
ssize_t pwritev2(int fd, const iovec* parts, int count, off_t offset, int flags);
int open(const char* path, int flags, mode_t mode = 0);
int openat(int directory, const char* path, int flags, mode_t mode = 0);
int flock(int fd, int operation);
int lockf(int fd, int command, off_t size);

int poll(pollfd* fds, nfds_t count, int timeout_ms);
int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask);
int select(int count, fd_set* read, fd_set* write, fd_set* except, timeval* timeout);
int pselect(int count, fd_set* read, fd_set* write, fd_set* except, const timespec* timeout,
            const sigset_t* mask);
int epoll_wait(int set, epoll_event* events, int room, int timeout_ms);
int epoll_pwait(int set, epoll_event* events, int room, int timeout_ms, const sigset_t* mask);
int epoll_pwait2(int set, epoll_event* events, int room, const timespec* timeout,
                 const sigset_t* mask);
int pause();
int sigsuspend(const sigset_t* mask);
int sigwait(const sigset_t* signals, int* taken);
int sigwaitinfo(const sigset_t* signals, siginfo_t* info);
int sigtimedwait(const sigset_t* signals, siginfo_t* info, const timespec* timeout);
int sigaction(int signal, const struct sigaction* action, struct sigaction* before);
unsigned sleep(unsigned seconds);
int usleep(useconds_t microseconds);
int nanosleep(const timespec* duration, timespec* rest);
int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* rest);

pid_t wait(int* status);
pid_t waitpid(pid_t pid, int* status, int options);
pid_t wait3(int* status, int options, rusage* usage);
pid_t wait4(pid_t pid, int* status, int options, rusage* usage);
int waitid(idtype_t type, id_t id, siginfo_t* info, int options);
int system(const char* command);
FILE* popen(const char* command, const char* type);
int pclose(FILE* stream);

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** found);
int getnameinfo(const sockaddr* address, socklen_t length, char* host, socklen_t host_size,
                char* service, socklen_t service_size, int flags);
hostent* gethostbyname(const char* name);
hostent* gethostbyname2(const char* name, int family);
hostent* gethostbyaddr(const void* address, socklen_t length, int family);

}  // namespace ramie::monkey::original
