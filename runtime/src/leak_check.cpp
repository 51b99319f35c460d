#include "ramie/testing/leak_check.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

#include "ramie/debug.hpp"
#include "scheduler.hpp"

namespace ramie::testing {

namespace {

using ramie::detail::scheduler;

bool belongs_to_scheduler(int fd) {
    scheduler* const mine = scheduler::find();
    return mine != nullptr &&
           (fd == mine->reactor().descriptor_of_set() || fd == mine->post_box()->descriptor());
}

std::vector<int> open_descriptors() {
    std::vector<int> open;
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return open;
    while (const dirent* const entry = ::readdir(directory)) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != ::dirfd(directory) && !belongs_to_scheduler(fd))
            open.push_back(fd);
    }
    ::closedir(directory);
    return open;
}

std::string file_of(int fd) {
    std::array<char, 256> name;
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t size = ::readlink(link.c_str(), name.data(), name.size());
    return {name.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

void tell(std::string& text, std::size_t before, std::size_t now, const char* what) {
    if (now > before) text += "  " + std::to_string(now - before) + what + '\n';
}

}  // namespace

leak_check::leak_check()
    : last_fiber_(scheduler::get().last_id()),
      timers_(stats().timers),
      stacks_(stats().stacks_in_use),
      descriptors_(open_descriptors()) {}

std::string leak_check::fibers() const {
    scheduler* const mine = scheduler::find();
    if (mine == nullptr) return {};
    const scheduler_stats now = stats();
    std::string text = mine->describe_fibers(last_fiber_);
    tell(text, timers_, now.timers, " timers are armed");
    // Fibers that live are told already, and have one each.
    if (text.empty())
        tell(text, stacks_, now.stacks_in_use, " stacks of ended fibers are held by handles");
    return text;
}

std::string leak_check::descriptors() const {
    std::string text;
    for (const int fd : open_descriptors())
        if (std::find(descriptors_.begin(), descriptors_.end(), fd) == descriptors_.end())
            text += "  descriptor " + std::to_string(fd) + ": " + file_of(fd) + '\n';
    return text;
}

void leak_check::require_none() const {
    const std::string leaks = found();
    if (!leaks.empty()) throw std::logic_error("ramie::testing: this was left behind:\n" + leaks);
}

}  // namespace ramie::testing
