/* A C library that nobody will rewrite: all it knows is libc. */
#include <sys/socket.h>

typedef ssize_t receive(int, void*, size_t, int);

receive* what_i_call(void) { return recv; }
