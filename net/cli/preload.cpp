// What libramie-preload.so does when it is loaded: it patches the program that it was loaded into.
//
// RAMIE_PATCH chooses the families, "socket,sleep,poll"; unset it is what patch_all() patches.

#include <sys/single_threaded.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "ramie/monkey.hpp"

namespace ramie::monkey {

namespace {

struct named_family {
    std::string_view name;
    void (*patch)() noexcept;
};

constexpr named_family families[] = {
    {"socket", &patch_socket}, {"sleep", &patch_sleep}, {"poll", &patch_poll},
    {"dns", &patch_dns},       {"lock", &patch_lock},   {"process", &patch_process},
    {"signal", &patch_signal}, {"stdio", &patch_stdio}, {"file", &patch_file},
};

bool patch_family(std::string_view name) noexcept {
    for (const named_family& each : families) {
        if (each.name != name) continue;
        each.patch();
        return true;
    }
    return name.empty();
}

void complain(std::string_view name) noexcept {
    const std::string text =
        "ramie: RAMIE_PATCH names no family of calls: " + std::string(name) + "\n";
    static_cast<void>(original::write(STDERR_FILENO, text.data(), text.size()));
}

void patch_list(std::string_view names) noexcept {
    while (!names.empty()) {
        const std::size_t comma = names.find(',');
        const std::string_view name = names.substr(0, comma);
        if (!patch_family(name)) complain(name);
        names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 1);
    }
}

[[gnu::constructor]] void patch_this_program() noexcept {
    const char* chosen = std::getenv("RAMIE_PATCH");
    const char has_one_thread = __libc_single_threaded;
    if (chosen == nullptr)
        patch_all();
    else
        patch_list(chosen);
    // A program without fibers goes on without the atomic operations of many threads.
    __libc_single_threaded = has_one_thread;
}

}  // namespace

}  // namespace ramie::monkey
