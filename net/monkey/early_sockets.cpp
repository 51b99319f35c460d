#include "early_sockets.hpp"

#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>

#include "calls.hpp"

namespace ramie::monkey::detail {

namespace {

struct early_socket {
    std::atomic<int> fd;
    std::atomic<const void*> caller;
};
constinit std::array<early_socket, 32> early{};

bool is_open_socket(int fd) noexcept {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

const void* base_of_program() noexcept {
    Dl_info info{};
    const auto* const headers = reinterpret_cast<const void*>(::getauxval(AT_PHDR));
    return ::dladdr(headers, &info) != 0 ? info.dli_fbase : nullptr;
}

void warn(const char* library, int fd) {
    const std::string text = "ramie: warning: " + std::string(library) + " made socket " +
                             std::to_string(fd) +
                             " before the calls were patched: one that it is in blocks its thread; "
                             "call patch_all() first\n";
    static_cast<void>(real::write(STDERR_FILENO, text.data(), text.size()));
}

}  // namespace

void note_early_socket(int fd, const void* caller) noexcept {
    early_socket& place = early[early_sockets.fetch_add(1) % early.size()];
    place.fd = fd;
    place.caller = caller;
}

void name_early_sockets() noexcept {
    const void* named[early.size()] = {base_of_program()};
    std::size_t names = 1;
    const std::size_t noted = std::min<std::size_t>(early_sockets.exchange(0), early.size());
    for (std::size_t i = 0; i != noted; ++i) {
        Dl_info from{};
        if (!is_open_socket(early[i].fd) || ::dladdr(early[i].caller, &from) == 0) continue;
        if (std::find(named, named + names, from.dli_fbase) != named + names) continue;
        if (names != std::size(named)) named[names++] = from.dli_fbase;
        warn(from.dli_fname, early[i].fd);
    }
}

}  // namespace ramie::monkey::detail
