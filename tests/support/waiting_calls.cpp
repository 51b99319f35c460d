#include "support/waiting_calls.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "support/kernel_oracle.hpp"
#include "support/temporary.hpp"
#include "support/threads.hpp"

namespace ramie::test {

namespace {

// It may have been reaped by a call.
void end_and_reap(const child& process) {
    if (::waitpid(process.pid(), nullptr, WNOHANG) != 0) return;
    process.send(SIGKILL);
    ::waitpid(process.pid(), nullptr, 0);
}

}  // namespace

void site::close() {
    for (const int each : std::exchange(owned, {})) ::close(each);
    if (stream != nullptr) std::fclose(std::exchange(stream, nullptr));
    if (process != nullptr) end_and_reap(*process);
    process.reset();
    if (!path.empty()) ::unlink(path.c_str());
}

int site::own(int each) {
    owned.push_back(each);
    return each;
}

namespace {

template <channel C>
void open_ends(site& s) {
    const ends e = open_channel(C);
    s.fd = s.own(e.a);
    s.peer = s.own(e.b);
}

// What is written to has no room.
template <channel C>
void open_full(site& s) {
    const ends e = open_channel(C);
    s.fd = s.own(e.b);
    s.peer = s.own(e.a);
    fill(s.fd);
}

void open_accepting(site& s) {
    s.fd = s.own(open_listener(AF_INET, 8));
    s.at = address_of(s.fd);
}

// Its listener's queue is full: nobody answers.
void open_connecting(site& s) {
    const int listener = s.own(open_listener(AF_INET, 0));
    s.at = address_of(listener);
    pollfd connected{-1, POLLOUT, 0};
    do {
        connected.fd = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
        static_cast<void>(::connect(connected.fd, s.at.get(), s.at.length));
    } while (::poll(&connected, 1, 20) == 1);
    s.fd = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
}

void open_nothing(site&) {}

void open_stream(site& s) {
    const ends e = open_channel(channel::pipe);
    s.fd = e.a;
    s.peer = s.own(e.b);
    s.stream = ::fdopen(s.fd, "r");
}

void start_child(site& s) { s.process = std::make_unique<child>(); }

void make_semaphore(site& s) { must("sem_init", ::sem_init(&s.semaphore, 0, 0)); }

// What is waited on is an epoll set in another one, of a connection.
void open_set(site& s) {
    open_ends<channel::tcp>(s);
    epoll_event event{};
    event.events = EPOLLIN;
    const int inner = s.own(must("epoll_create1", ::epoll_create1(0)));
    const int outer = s.own(must("epoll_create1", ::epoll_create1(0)));
    must("epoll_ctl", ::epoll_ctl(inner, EPOLL_CTL_ADD, s.fd, &event));
    must("epoll_ctl", ::epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event));
    s.fd = outer;
}

// What is sent comes from a file.
template <channel C>
void open_full_with_file(site& s) {
    open_full<C>(s);
    s.file = s.own(must("open", ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
}

// What is received goes to a pipe.
template <channel C>
void open_ends_with_pipe(site& s) {
    open_ends<C>(s);
    const ends pipe = open_channel(channel::pipe);
    s.own(pipe.a);
    s.file = s.own(pipe.b);
}

// Somebody else has it.
void open_locked(site& s) {
    std::string name;
    s.peer = s.own(make_temporary_file(name));
    s.fd = s.own(must("open", ::open(name.c_str(), O_RDWR)));
    ::unlink(name.c_str());
}
template <int Command>
void lock_record(int fd, short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    must("fcntl", ::fcntl(fd, Command, &lock));
}
void open_flocked(site& s) {
    open_locked(s);
    must("flock", ::flock(s.peer, LOCK_EX));
}
void open_record_locked(site& s) {
    open_locked(s);
    lock_record<F_OFD_SETLK>(s.peer, F_WRLCK);
}

void make_fifo(site& s) {
    s.path = temporary_name();
    must("mkfifo", ::mkfifo(s.path.c_str(), 0600));
}

long ok(long result) { return result < 0 ? result : 0; }

long wait_in_recv(const site& s) {
    char byte;
    return ok(::recv(s.fd, &byte, 1, 0));
}
long wait_in_read(const site& s) {
    char byte;
    return ok(::read(s.fd, &byte, 1));
}
long wait_in_readv(const site& s) {
    char byte;
    const iovec part{&byte, 1};
    return ok(::readv(s.fd, &part, 1));
}
long wait_in_send(const site& s) { return ok(::send(s.fd, "x", 1, 0)); }
long wait_in_write(const site& s) { return ok(::write(s.fd, "x", 1)); }
long wait_in_accept(const site& s) {
    const int made = ::accept(s.fd, nullptr, nullptr);
    return made < 0 ? made : ::close(made);
}
long wait_in_connect(const site& s) { return ::connect(s.fd, s.at.get(), s.at.length); }
long wait_in_poll(const site& s) {
    pollfd readable{s.fd, POLLIN, 0};
    return ok(::poll(&readable, 1, -1));
}
long wait_in_ppoll(const site& s) {
    pollfd readable{s.fd, POLLIN, 0};
    return ok(::ppoll(&readable, 1, nullptr, nullptr));
}
long wait_in_select(const site& s) {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(s.fd, &readable);
    return ok(::select(s.fd + 1, &readable, nullptr, nullptr, nullptr));
}
long wait_in_pselect(const site& s) {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(s.fd, &readable);
    return ok(::pselect(s.fd + 1, &readable, nullptr, nullptr, nullptr, nullptr));
}
long wait_in_epoll_wait(const site& s) {
    epoll_event event;
    return ok(::epoll_wait(s.fd, &event, 1, -1));
}
long wait_in_epoll_pwait2(const site& s) {
    epoll_event event;
    return ok(::epoll_pwait2(s.fd, &event, 1, nullptr, nullptr));
}
// A sleep has nobody who could end it: again and again, until that has been said or one fails.
long wait_in_usleep(const site& s) {
    while (!s.has_slept_enough)
        if (::usleep(50'000) != 0) return -1;
    return 0;
}
long wait_in_nanosleep(const site& s) {
    const timespec time{0, 50'000'000};
    while (!s.has_slept_enough)
        if (::nanosleep(&time, nullptr) != 0) return -1;
    return 0;
}

long wait_in_recvmmsg(const site& s) {
    char byte;
    iovec part{&byte, 1};
    mmsghdr message{};
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
    return ok(::recvmmsg(s.fd, &message, 1, 0, nullptr));
}
long wait_in_sendmmsg(const site& s) {
    char byte = 'x';
    iovec part{&byte, 1};
    mmsghdr message{};
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
    return ok(::sendmmsg(s.fd, &message, 1, 0));
}
long wait_in_sendfile(const site& s) {
    off_t from = 0;
    return ok(::sendfile(s.fd, s.file, &from, 1));
}
long wait_in_splice(const site& s) { return ok(::splice(s.fd, nullptr, s.file, nullptr, 1, 0)); }
long wait_in_tee(const site& s) { return ok(::tee(s.fd, s.file, 1, 0)); }
long wait_in_preadv2(const site& s) {
    char byte;
    const iovec part{&byte, 1};
    return ok(::preadv2(s.fd, &part, 1, -1, 0));
}
long wait_in_flock(const site& s) { return ::flock(s.fd, LOCK_SH); }
long wait_in_fcntl(const site& s) {
    struct flock lock {};
    lock.l_type = F_RDLCK;
    return ok(::fcntl(s.fd, F_OFD_SETLKW, &lock));
}
template <int Access>
long wait_in_open(const site& s) {
    const int fd = ::open(s.path.c_str(), Access);
    return fd < 0 ? fd : ::close(fd);
}

long wait_in_fgets(const site& s) {
    char byte[2];
    return std::fgets(byte, sizeof byte, s.stream) == nullptr ? -1 : 0;
}
long wait_in_waitpid(const site& s) { return ok(::waitpid(s.process->pid(), nullptr, 0)); }
long wait_in_wait(const site&) { return ok(::wait(nullptr)); }
long wait_in_sem_wait(const site& s) { return ::sem_wait(&s.semaphore); }

void write_to_peer(site& s) { must("write", ::write(s.peer, "x", 1)); }
void drain_peer(site& s) {
    char piece[65536];
    pollfd readable{s.peer, POLLIN, 0};
    while (::poll(&readable, 1, 0) == 1) must("read", ::read(s.peer, piece, sizeof piece));
}
void connect_to_it(site& s) {
    const int fd = s.own(must("socket", ::socket(AF_INET, SOCK_STREAM, 0)));
    must("connect", ::connect(fd, s.at.get(), s.at.length));
}
void unlock(site& s) { must("flock", ::flock(s.peer, LOCK_UN)); }
void unlock_record(site& s) { lock_record<F_OFD_SETLK>(s.peer, F_UNLCK); }
void open_other_end(site& s) {
    s.own(must("open", ::open(s.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)));
}
void end_child(site& s) { s.process->end(); }
void post(site& s) { must("sem_post", ::sem_post(&s.semaphore)); }
void shut_down(site& s) { must("shutdown", ::shutdown(s.fd, SHUT_RDWR)); }
void let_awake(site& s) { s.has_slept_enough = true; }

constexpr waiting_call calls[] = {
    {"recv", open_ends<channel::tcp>, wait_in_recv, write_to_peer},
    {"recv_of_a_datagram", open_ends<channel::udp>, wait_in_recv, write_to_peer},
    {"read_of_a_local_socket", open_ends<channel::unix_stream>, wait_in_read, write_to_peer},
    {"read_of_a_pipe", open_ends<channel::pipe>, wait_in_read, write_to_peer},
    {"readv", open_ends<channel::pipe>, wait_in_readv, write_to_peer},
    {"send", open_full<channel::pair>, wait_in_send, drain_peer},
    {"write_to_a_pipe", open_full<channel::pipe>, wait_in_write, drain_peer},
    {"accept", open_accepting, wait_in_accept, connect_to_it},
    {"connect", open_connecting, wait_in_connect, shut_down, ECONNRESET},
    {"poll", open_ends<channel::tcp>, wait_in_poll, write_to_peer, 0, false, true},
    {"ppoll", open_ends<channel::pipe>, wait_in_ppoll, write_to_peer, 0, false, true},
    {"select", open_ends<channel::pipe>, wait_in_select, write_to_peer, 0, false, true},
    {"pselect", open_ends<channel::udp>, wait_in_pselect, write_to_peer, 0, false, true},
    {"epoll_wait", open_set, wait_in_epoll_wait, write_to_peer, 0, false, true},
    {"epoll_pwait2", open_set, wait_in_epoll_pwait2, write_to_peer, 0, false, true},
    {"recvmmsg", open_ends<channel::udp>, wait_in_recvmmsg, write_to_peer},
    {"sendmmsg", open_full<channel::datagram_pair>, wait_in_sendmmsg, drain_peer},
    {"sendfile", open_full_with_file<channel::pair>, wait_in_sendfile, drain_peer, 0, true, false,
     false},
    {"splice_of_a_socket", open_ends_with_pipe<channel::tcp>, wait_in_splice, write_to_peer},
    {"splice_of_a_pipe", open_ends_with_pipe<channel::pipe>, wait_in_splice, write_to_peer},
    {"tee", open_ends_with_pipe<channel::pipe>, wait_in_tee, write_to_peer},
    {"preadv2", open_ends<channel::pipe>, wait_in_preadv2, write_to_peer},
    {"flock", open_flocked, wait_in_flock, unlock, 0, true, true, false},
    {"fcntl_of_a_lock", open_record_locked, wait_in_fcntl, unlock_record, 0, true, true},
    {"open_of_a_fifo_to_read", make_fifo, wait_in_open<O_RDONLY>, open_other_end},
    {"open_of_a_fifo_to_write", make_fifo, wait_in_open<O_WRONLY>, open_other_end},
    {"fgets", open_stream, wait_in_fgets, write_to_peer},
    {"waitpid", start_child, wait_in_waitpid, end_child},
    {"wait_for_any_child", start_child, wait_in_wait, end_child},
    {"sem_wait", make_semaphore, wait_in_sem_wait, post, 0, true, false, true, true},
    {"usleep", open_nothing, wait_in_usleep, let_awake, 0, false, true},
    {"nanosleep", open_nothing, wait_in_nanosleep, let_awake, 0, false, true},
};

}  // namespace

int outcome_of(const waiting_call& call, const site& s) { return call.wait(s) < 0 ? errno : 0; }

bool is_blocked_in(const waiting_call& call, pid_t thread) {
    return call.is_by_futex ? is_in_call(thread, {SYS_futex}) : is_blocked_in_kernel(thread);
}

std::span<const waiting_call> waiting_calls() { return calls; }

}  // namespace ramie::test
