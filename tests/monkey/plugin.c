/* A library that knows nothing of ramie. */

#include <sys/socket.h>
#include <unistd.h>

ssize_t plugin_receive(int fd, void* data, size_t size) { return recv(fd, data, size, 0); }
ssize_t plugin_send(int fd, const void* data, size_t size) { return send(fd, data, size, 0); }
ssize_t plugin_read(int fd, void* data, size_t size) { return read(fd, data, size); }
int plugin_socket(void) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const int size = 4096;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return fd;
}
unsigned plugin_sleep(unsigned seconds) { return sleep(seconds); }
