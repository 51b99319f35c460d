// flock, lockf, and what fcntl() does for F_SETLKW. No event tells that a lock has become free: it
// is tried from time to time. A thread that waited in our stead might get it for a fiber that is
// gone, and any number of them could be needed at once.

#include "file_locks.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

// `attempt()` fails with EAGAIN or EACCES while somebody else has it.
template <class Attempt>
int lock_when_free(int fd, Attempt attempt) noexcept {
    const descriptor_facts* const facts = facts_of(fd);
    if (facts == nullptr) return attempt();
    const meaning file(*facts);
    int result = -1;
    const bool is_answered = try_until(deadline::never(), [&] {
        result = still_holds(file) ? attempt() : -1;
        return result >= 0 || (errno != EAGAIN && errno != EACCES);
    });
    return is_answered ? result : -1;
}

}  // namespace

int lock_record(int fd, int command, void* lock) noexcept {
    const int without_waiting = command == F_SETLKW ? F_SETLK : F_OFD_SETLK;
    return lock_when_free(fd, [=] { return real::fcntl(fd, without_waiting, lock); });
}

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

int flock(int fd, int operation) noexcept {
    if (!on_fiber(family::socket) || (operation & (LOCK_NB | LOCK_UN)) != 0)
        return real::flock(fd, operation);
    return lock_when_free(fd, [=] { return real::flock(fd, operation | LOCK_NB); });
}

int lockf(int fd, int command, off_t size) {
    if (!on_fiber(family::socket) || command != F_LOCK) return real::lockf(fd, command, size);
    return lock_when_free(fd, [=] { return real::lockf(fd, F_TLOCK, size); });
}

[[gnu::alias("lockf")]] int lockf64(int fd, int command, off64_t size);
}
