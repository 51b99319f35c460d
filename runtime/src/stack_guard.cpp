#include "stack_guard.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

namespace ramie::detail {
namespace {

// Debian 12's headers are older than the call.
constexpr int madv_guard_install = 102;

// Of the whole process, as the limit on mappings is.
std::atomic<std::size_t> mprotect_guards{0};

[[noreturn]] void fail(int error, const std::string& what) {
    throw std::system_error(error, std::generic_category(), "ramie: " + what);
}

bool kernel_has_guards() {
    static const bool has = [] {
        const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        void* scratch =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (scratch == MAP_FAILED) return false;
        const bool installed = ::madvise(scratch, size, madv_guard_install) == 0;
        ::munmap(scratch, size);
        return installed;
    }();
    return has;
}

guard_kind kind_from_environment() {
    const char* value = std::getenv("RAMIE_STACK_GUARD");
    const std::string_view name = value != nullptr ? value : "";
    if (name == "madvise") return guard_kind::madvise;
    if (name == "mprotect") return guard_kind::mprotect;
    if (name.empty() || name == "automatic") return guard_kind::automatic;
    fail(EINVAL,
         "RAMIE_STACK_GUARD=" + std::string(name) + " is none of automatic, madvise, mprotect");
}

guard_kind resolve(guard_kind kind) {
    if (kind == guard_kind::automatic) kind = kind_from_environment();
    if (kind == guard_kind::automatic)
        return kernel_has_guards() ? guard_kind::madvise : guard_kind::mprotect;
    if (kind == guard_kind::madvise && !kernel_has_guards())
        fail(ENOTSUP, "stack guards by madvise need Linux 6.13; use RAMIE_STACK_GUARD=mprotect");
    return kind;
}

// Without streams: with the locales behind them, each program that `ramie run` starts would load
// twice as much.
std::size_t max_map_count() {
    std::size_t count = 65530;
    if (std::FILE* const file = std::fopen("/proc/sys/vm/max_map_count", "re")) {
        if (std::fscanf(file, "%zu", &count) != 1) count = 65530;
        std::fclose(file);
    }
    return count;
}

// Each guarded stack is two mappings; a tenth of the limit is left to the rest of the program.
std::size_t default_mprotect_cap() { return max_map_count() * 9 / 20; }

}  // namespace

stack_guard::stack_guard(guard_kind kind) : stack_guard(kind, default_mprotect_cap()) {}

stack_guard::stack_guard(guard_kind kind, std::size_t mprotect_cap)
    : kind_{resolve(kind)}, mprotect_cap_{mprotect_cap} {}

void stack_guard::install(std::byte* begin, std::size_t size) const {
    if (kind_ == guard_kind::madvise) {
        if (::madvise(begin, size, madv_guard_install) == 0) return;
        fail(errno, "madvise(MADV_GUARD_INSTALL) of a fiber stack's guard of " +
                        std::to_string(size) + " bytes; RAMIE_STACK_GUARD=mprotect avoids it");
    }
    if (mprotect_guards.fetch_add(1) >= mprotect_cap_) {
        forget(1);
        fail(ENOMEM, "one more fiber stack would exceed the cap of " +
                         std::to_string(mprotect_cap_) +
                         " stacks guarded by mprotect, which is 45 % of the sysctl "
                         "vm.max_map_count; raise that, or use Linux 6.13 or later");
    }
    if (::mprotect(begin, size, PROT_NONE) == 0) return;
    const int error = errno;
    forget(1);
    fail(error, "mprotect of a fiber stack's guard of " + std::to_string(size) +
                    " bytes; the sysctl vm.max_map_count limits the mappings of a process");
}

void stack_guard::forget(std::size_t guards) const noexcept {
    if (kind_ == guard_kind::mprotect) mprotect_guards.fetch_sub(guards);
}

}  // namespace ramie::detail
