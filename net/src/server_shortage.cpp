// How a server lives on when descriptors or memory run out.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "ramie/net/server.hpp"

namespace ramie::net {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds shortest_pause = 5ms;
// Well below the second within which clients are to be served again.
constexpr std::chrono::milliseconds longest_pause = 640ms;

}  // namespace

namespace detail {

void spare_descriptor::take() noexcept {
    if (fd_ < 0) fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void spare_descriptor::give_up() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

}  // namespace detail

// Accepting again at once would fail again at once, for as long as the connection waits.
void stream_server::endure(const std::error_code& shortage, const char* what) {
    ++stats_.shortages;
    if (shortage == std::errc::too_many_files_open ||
        shortage == std::errc::too_many_files_open_in_system)
        shed_one();
    report(what);
    pause_ = std::clamp(2 * pause_, shortest_pause, longest_pause);
    room_.clear();
    room_.wait(pause_);
}

void stream_server::shed_one() noexcept {
    spare_.give_up();
    try {
        if (listener_.try_accept()) ++stats_.shed;
    } catch (const std::exception&) {
        // Somebody else took the number, or there is no memory to say so.
    }
    spare_.take();
}

void stream_server::report(const char* what) noexcept {
    if (!quiet_until_.expired()) return;
    try {
        const std::string line = "ramie: " + options_.name + ": " + what + "; clients wait, " +
                                 std::to_string(stats_.shed) + " were sent away so far\n";
        quiet_until_ = 1s;
        [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    } catch (const std::bad_alloc&) {
        // The next one may find the memory for a line.
    }
}

}  // namespace ramie::net
