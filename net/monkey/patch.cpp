// Switching the patch on, and asking about it.

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "calls.hpp"
#include "covered_calls.hpp"
#include "early_sockets.hpp"
#include "handlers.hpp"
#include "made_nonblocking.hpp"
#include "parking.hpp"
#include "ramie/detail/scheduler_hooks.hpp"
#include "ramie/monkey.hpp"
#include "stream.hpp"

// libc's own name of a call that is patched.
extern "C" ssize_t __write(int, const void*, size_t);

namespace ramie::monkey {

namespace detail {

namespace {

const void* object_of(void* address) noexcept {
    Dl_info info;
    return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

// Of a condition variable there are two kinds, and a lookup without a version may find the calls
// for the one of before 2003. A sanitizer's calls, which lie in front of libc, have no version.
void* find_newest(const char* name) noexcept {
    void* const found = dlsym(RTLD_NEXT, name);
    if (std::strncmp(name, "pthread_cond_", 13) != 0) return found;
    void* const current = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
    return current == nullptr || object_of(current) != object_of(found) ? found : current;
}

}  // namespace

void* find_original(const char* name) noexcept {
    void* found = find_newest(name);
    if (found == nullptr) {
        // A statically linked program has no next libc to forward to, for printing either.
        char text[128];
        const int size = std::snprintf(
            text, sizeof text,
            "ramie: there is no %s() behind the patched one; link libc dynamically\n", name);
        static_cast<void>(__write(STDERR_FILENO, text, static_cast<std::size_t>(size)));
        std::abort();
    }
    return found;
}

namespace {

void say(std::string_view text) noexcept {
    static_cast<void>(real::write(STDERR_FILENO, text.data(), text.size()));
}

// Where this library is found after libc, nobody else makes its calls.
void warn_if_passed_by() noexcept {
    static std::atomic<bool> asked{false};
    if (asked.exchange(true)) return;
    if (dlsym(RTLD_DEFAULT, "recv") != reinterpret_cast<void*>(real::recv.get())) return;
    say("ramie: warning: what is loaded into this process calls libc's recv() and not the patched "
        "one; link the program itself with ramie::monkey, or start it with `ramie run`\n");
}

// Before the handlers of everybody who comes after the patch: theirs may make patched calls. Of a
// process that has used nothing yet it writes nothing.
void continue_in_child() noexcept {
    if (patched_process != 0) patched_process = getpid();
    forget_parents_parking();
    forget_parents_streams();
}

void follow_forks() noexcept {
    static std::atomic<bool> followed{false};
    if (followed) return;
    pthread_atfork(nullptr, nullptr, &continue_in_child);
    followed = true;  // now: to hear of a fork twice is harmless, not to hear of it is not
}

void put_into_effect() noexcept {
    warn_if_passed_by();
    patched_process = getpid();
    // What is made and closed outside of fibers is noted only where there is room already.
    facts_of(0);
    share_modes();
    prepare_parking();
    patched_families |= chosen_families.load();
    if (is_on(family::signal)) adopt_handlers();
}

void patch(family f) noexcept {
    const auto bit = static_cast<std::uint16_t>(f);
    follow_forks();
    chosen_families |= bit;
    // At once: a thread that unlocks a mutex while the first scheduler is made is not missed.
    if (f == family::lock) patched_families |= bit;
    before_first_scheduler = &put_into_effect;
    if (has_had_scheduler) put_into_effect();
}

bool has_word(std::string_view text, std::string_view word) noexcept {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (text.substr(0, end) == word) return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

}  // namespace

}  // namespace detail

void patch_socket() noexcept {
    if (!detail::is_chosen(detail::family::socket)) detail::warn_of_early_sockets();
    detail::patch(detail::family::socket);
}

void patch_sleep() noexcept { detail::patch(detail::family::sleep); }
void patch_poll() noexcept { detail::patch(detail::family::poll); }
void patch_process() noexcept { detail::patch(detail::family::process); }
void patch_signal() noexcept { detail::patch(detail::family::signal); }
void patch_dns() noexcept { detail::patch(detail::family::dns); }
void patch_lock() noexcept { detail::patch(detail::family::lock); }
void patch_stdio() noexcept { detail::patch(detail::family::stdio); }
void patch_file() noexcept { detail::patch(detail::family::file); }

void patch_all(options chosen) noexcept {
    for (const detail::covered_family& each : detail::covered_families)
        if (chosen.*each.chosen) each.patch();
}

bool is_patched(std::string_view call) noexcept {
    return std::ranges::any_of(detail::covered_families, [call](const auto& each) {
        return detail::is_chosen(each.part_of) && detail::has_word(each.calls, call);
    });
}

}  // namespace ramie::monkey
