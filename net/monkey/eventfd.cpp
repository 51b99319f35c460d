// eventfd_read and eventfd_write: libc's own read and write without passing through the patched
// ones. And what it takes for the latter not to wait.

#include "eventfd.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "probe.hpp"
#include "stream_io.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr eventfd_t most = ~eventfd_t{0} - 1;

// Only /proc tells it. Nothing of another descriptor.
std::optional<eventfd_t> count_of(int fd) noexcept {
    char text[512];
    std::snprintf(text, sizeof text, "/proc/thread-self/fdinfo/%d", fd);
    const int file = real::open(text, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0) return {};
    const ssize_t size = real::read(file, text, sizeof text - 1);
    real::close(file);
    text[size < 0 ? 0 : size] = '\0';
    constexpr char label[] = "eventfd-count:";
    const char* const found = std::strstr(text, label);
    if (found == nullptr) return {};
    return std::strtoull(found + sizeof label - 1, nullptr, 16);
}

// 0 for what the kernel refuses.
eventfd_t value_in(const iovec& part) noexcept {
    eventfd_t value = 0;
    if (part.iov_len < sizeof value || !may_be_read(part.iov_base, sizeof value)) return 0;
    std::memcpy(&value, part.iov_base, sizeof value);
    return value > most ? 0 : value;
}

// That it is ready says so of 1, and everybody adds 1.
bool has_room(int fd, eventfd_t value) noexcept {
    if (value <= 1) return true;
    const std::optional<eventfd_t> count = count_of(fd);
    return !count || value <= most - *count;
}

}  // namespace

// The kernel takes one value for each part.
ssize_t write_event(int fd, const iovec* parts, int count) noexcept {
    const iovec& first = first_filled(parts, count);
    if (has_room(fd, value_in(first))) return real::writev(fd, &first, 1);
    errno = EAGAIN;
    return -1;
}

}  // namespace ramie::monkey::detail

extern "C" {

int eventfd_read(int fd, eventfd_t* value) {
    return ::read(fd, value, sizeof *value) == sizeof *value ? 0 : -1;
}

int eventfd_write(int fd, eventfd_t value) {
    return ::write(fd, &value, sizeof value) == sizeof value ? 0 : -1;
}
}
