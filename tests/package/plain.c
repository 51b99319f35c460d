/* A C library that nobody will rewrite: all it knows is libc. */
#include <sys/socket.h>
#include <unistd.h>

typedef ssize_t receive(int, void*, size_t, int);

receive* what_i_call(void) { return recv; }

ssize_t read_one(int fd, char* to) { return read(fd, to, 1); }
