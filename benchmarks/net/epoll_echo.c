// The yardstick of the network benchmark: an echo server on level-triggered epoll with no layer at
// all. A request costs one recv, one send and a share of one epoll_wait. A healthy connection
// touches no memory of its own; only one whose peer reads too slowly gets a buffer.
//
//     epoll_echo --port 0      prints "listening PORT", serves 127.0.0.1 until SIGTERM

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { buffer_size = 4096, events_per_wait = 512 };

// What a full socket did not take.
struct unsent {
    char* data;
    size_t size;
};

static int poller;
static struct unsent* unsent;  // by descriptor
static size_t unsent_slots;

static void die(const char* what) {
    perror(what);
    exit(EXIT_FAILURE);
}

static void watch(int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, operation, fd, &event) != 0) die("epoll_ctl");
}

static void drop(int fd) {
    if ((size_t)fd < unsent_slots) {
        free(unsent[fd].data);
        unsent[fd] = (struct unsent){0};
    }
    close(fd);
}

static struct unsent* unsent_of(int fd) {
    if ((size_t)fd >= unsent_slots) {
        const size_t slots = 2 * (size_t)fd + 1;
        unsent = realloc(unsent, slots * sizeof *unsent);
        if (unsent == NULL) die("realloc");
        memset(unsent + unsent_slots, 0, (slots - unsent_slots) * sizeof *unsent);
        unsent_slots = slots;
    }
    return &unsent[fd];
}

// Nothing more is read from this connection until the rest is gone.
static void keep(int fd, const char* data, size_t size) {
    struct unsent* rest = unsent_of(fd);
    rest->data = malloc(size);
    if (rest->data == NULL) die("malloc");
    memcpy(rest->data, data, size);
    rest->size = size;
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void send_rest(int fd) {
    struct unsent* rest = unsent_of(fd);
    const ssize_t sent = send(fd, rest->data, rest->size, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) drop(fd);
        return;
    }
    rest->size -= (size_t)sent;
    memmove(rest->data, rest->data + sent, rest->size);
    if (rest->size == 0) {
        free(rest->data);
        rest->data = NULL;
        watch(EPOLL_CTL_MOD, fd, EPOLLIN);
    }
}

static void echo(int fd) {
    static char buffer[buffer_size];
    const ssize_t received = recv(fd, buffer, sizeof buffer, 0);
    if (received <= 0) {
        if (received == 0 || errno != EAGAIN) drop(fd);
        return;
    }
    ssize_t sent = send(fd, buffer, (size_t)received, MSG_NOSIGNAL);
    if (sent == received) return;
    if (sent < 0 && errno != EAGAIN) {
        drop(fd);
        return;
    }
    if (sent < 0) sent = 0;
    keep(fd, buffer + sent, (size_t)(received - sent));
}

static void accept_all(int listener) {
    const int on = 1;
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            die("accept4");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

static int listen_on(uint16_t port) {
    const int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr*)&address, size) != 0) die("bind");
    if (listen(fd, SOMAXCONN) != 0) die("listen");
    if (getsockname(fd, (struct sockaddr*)&address, &size) != 0) die("getsockname");
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char** argv) {
    if (argc != 3 || strcmp(argv[1], "--port") != 0) {
        fprintf(stderr, "usage: %s --port PORT\n", argv[0]);
        return 2;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    const int listener = listen_on((uint16_t)atoi(argv[2]));
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);

    static struct epoll_event events[events_per_wait];
    for (;;) {
        const int count = epoll_wait(poller, events, events_per_wait, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener);
            } else if (events[i].events & EPOLLOUT) {
                send_rest(fd);
            } else {
                echo(fd);
            }
        }
    }
}
