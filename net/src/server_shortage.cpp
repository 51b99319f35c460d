// How a server lives on when descriptors or memory run out.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
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
void stream_server::endure(const std::system_error& shortage) {
    ++stats_.shortages;
    const auto& code = shortage.code();
    if (code == std::errc::too_many_files_open || code == std::errc::too_many_files_open_in_system)
        shed_one();
    report(shortage);
    pause_ = std::clamp(2 * pause_, shortest_pause, longest_pause);
    room_.clear();
    room_.wait(pause_);
}

void stream_server::shed_one() noexcept {
    spare_.give_up();
    try {
        if (listener_.try_accept()) ++stats_.shed;
    } catch (const std::system_error&) {
        // Somebody else took the number.
    }
    spare_.take();
}

void stream_server::report(const std::system_error& shortage) {
    if (!quiet_until_.expired()) return;
    quiet_until_ = 1s;
    const std::string line = "ramie: " + options_.name + ": " + shortage.what() +
                             "; clients wait, " + std::to_string(stats_.shed) +
                             " were sent away so far\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace ramie::net
