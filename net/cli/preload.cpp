// What libramie-preload.so does when it is loaded: it patches the program that it was loaded into.
//
// RAMIE_PATCH chooses the families, "socket,sleep,poll"; unset it is what patch_all() patches.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "covered_calls.hpp"
#include "ramie/monkey.hpp"

namespace ramie::monkey {

namespace {

void complain(std::string_view name) noexcept {
    const std::string text =
        "ramie: RAMIE_PATCH names no family of calls: " + std::string(name) + "\n";
    static_cast<void>(original::write(STDERR_FILENO, text.data(), text.size()));
}

void choose(std::string_view name, options& chosen) noexcept {
    for (const detail::covered_family& each : detail::covered_families) {
        if (each.name != name) continue;
        chosen.*each.chosen = true;
        return;
    }
    if (!name.empty()) complain(name);
}

options chosen_in(std::string_view names) noexcept {
    options chosen;
    for (const detail::covered_family& each : detail::covered_families) chosen.*each.chosen = false;
    while (!names.empty()) {
        const std::size_t comma = std::min(names.find(','), names.size());
        choose(names.substr(0, comma), chosen);
        names.remove_prefix(std::min(comma + 1, names.size()));
    }
    return chosen;
}

[[gnu::constructor]] void patch_this_program() noexcept {
    const char* const names = std::getenv("RAMIE_PATCH");
    patch_all(names == nullptr ? options{} : chosen_in(names));
}

}  // namespace

}  // namespace ramie::monkey

// The library is never unloaded, and its calls are used until the process is gone: nothing of it is
// destroyed when the program ends.
extern "C" [[gnu::visibility("hidden")]] int __cxa_atexit(void (*)(void*), void*, void*) noexcept {
    return 0;
}
