// eventfd_read and eventfd_write: libc's own read and write without passing through the patched
// ones.

#include <sys/eventfd.h>
#include <unistd.h>

extern "C" {

int eventfd_read(int fd, eventfd_t* value) {
    return ::read(fd, value, sizeof *value) == sizeof *value ? 0 : -1;
}

int eventfd_write(int fd, eventfd_t value) {
    return ::write(fd, &value, sizeof value) == sizeof value ? 0 : -1;
}
}
