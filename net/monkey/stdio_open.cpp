// fopen and freopen of a FIFO, which wait for its other end.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "connection.hpp"
#include "descriptor_kind.hpp"
#include "off_the_loop.hpp"
#include "opening.hpp"
#include "stream_output.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr mode_t everybody = 0666;

// What libc makes of "r", "w+e", ...: flags for open(), or -1.
int flags_of(const char* mode) noexcept {
    const std::string_view letters(mode);
    const std::string_view options = letters.substr(0, letters.find(','));
    const bool both = options.find('+') != std::string_view::npos;
    int flags = both ? O_RDWR : O_WRONLY;
    switch (options.empty() ? '\0' : options.front()) {
        case 'r':
            flags = both ? O_RDWR : O_RDONLY;
            break;
        case 'w':
            flags |= O_CREAT | O_TRUNC;
            break;
        case 'a':
            flags |= O_CREAT | O_APPEND;
            break;
        default:
            return -1;
    }
    if (options.find('x') != std::string_view::npos) flags |= O_EXCL;
    if (options.find('e') != std::string_view::npos) flags |= O_CLOEXEC;
    return flags;
}

bool waits(const char* path, const char* mode) noexcept {
    const int flags = flags_of(mode);
    return flags >= 0 && waits_for_other_end(AT_FDCWD, path, flags);
}

template <class Open>
FILE* open_file(Open open) noexcept {
    return is_on(family::file) ? off_the_loop(open) : open();
}

FILE* open_fifo(const char* path, const char* mode) noexcept {
    const int fd = open_on_fiber(AT_FDCWD, path, flags_of(mode), everybody);
    FILE* const stream = fd < 0 ? nullptr : ::fdopen(fd, mode);
    if (stream == nullptr && fd >= 0) {
        const int saved = errno;
        real::close(fd);
        errno = saved;
    }
    return stream;
}

// While both ends are held, libc's own opening of a FIFO does not wait.
class both_ends {
  public:
    both_ends(const char* path, int flags) noexcept
        : ours_(open_on_fiber(AT_FDCWD, path, flags | O_CLOEXEC, everybody)),
          any_(ours_ < 0 ? -1 : real::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0)) {}
    ~both_ends() {
        const int saved = errno;
        for (const int fd : {ours_, any_})
            if (fd >= 0) real::close(fd);
        errno = saved;
    }
    both_ends(const both_ends&) = delete;
    both_ends& operator=(const both_ends&) = delete;
    [[nodiscard]] bool are_open() const noexcept { return ours_ >= 0; }

  private:
    int ours_;
    int any_;
};

FILE* reopen_as_fifo(const char* path, const char* mode, FILE* stream) noexcept {
    const both_ends held(path, flags_of(mode));
    if (held.are_open()) return real::freopen(path, mode, stream);
    const int saved = errno;
    real::fclose(stream);
    errno = saved;
    return nullptr;
}

FILE* noted(FILE* stream) noexcept {
    if (stream != nullptr && fileno(stream) >= 0 && owns_table()) reset_facts(fileno(stream));
    return stream;
}

}  // namespace

}  // namespace ramie::monkey::detail

using namespace ramie::monkey::detail;

extern "C" {

FILE* fopen(const char* path, const char* mode) {
    const auto plain = [=] { return real::fopen(path, mode); };
    if (!on_fiber(family::socket)) return noted(plain());
    return noted(waits(path, mode) ? open_fifo(path, mode) : open_file(plain));
}

// The old file stays open until the new one is, as with libc, and is closed whatever comes of it.
FILE* freopen(const char* path, const char* mode, FILE* stream) {
    if (!on_fiber(family::socket)) return noted(real::freopen(path, mode, stream));
    drain_to_close(stream);
    if (path != nullptr && waits(path, mode)) return noted(reopen_as_fifo(path, mode, stream));
    return noted(open_file([=] { return real::freopen(path, mode, stream); }));
}

[[gnu::alias("fopen")]] FILE* fopen64(const char* path, const char* mode);
[[gnu::alias("fopen"), gnu::malloc]] FILE* _IO_fopen(const char* path, const char* mode);
[[gnu::alias("freopen")]] FILE* freopen64(const char* path, const char* mode, FILE* stream);
}
