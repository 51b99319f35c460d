/* A library that knows nothing of ramie. */

#include <sys/socket.h>
#include <unistd.h>

ssize_t plugin_receive(int fd, void* data, size_t size) { return recv(fd, data, size, 0); }
ssize_t plugin_send(int fd, const void* data, size_t size) { return send(fd, data, size, 0); }
ssize_t plugin_read(int fd, void* data, size_t size) { return read(fd, data, size); }
unsigned plugin_sleep(unsigned seconds) { return sleep(seconds); }
