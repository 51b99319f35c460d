#include "probe.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "calls.hpp"
#include "ramie/detail/fiber_core.hpp"

namespace ramie::monkey::detail {

namespace {

constexpr std::uintptr_t page = 4096;

// The frames of the callers are there: most messages and parts lie in one.
bool is_on_own_stack(std::uintptr_t begin, std::uintptr_t end) noexcept {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    const auto top = reinterpret_cast<std::uintptr_t>(current_fiber->stack_top);
    return begin >= here && end <= top;
}

// The kernel reads eight bytes before it refuses the request, and changes nothing.
bool is_page_readable(std::uintptr_t address) noexcept {
    constexpr int no_request = -1;
    constexpr std::uintptr_t read = 8;
    const auto* const place = reinterpret_cast<const void*>(address & ~(read - 1));
    return syscall(SYS_rt_sigprocmask, no_request, place, nullptr, read) == 0 || errno != EFAULT;
}

}  // namespace

bool may_be_read(const void* data, std::size_t size) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(data);
    const std::uintptr_t end = begin + size;
    if (size == 0 || is_on_own_stack(begin, end)) [[likely]]
        return true;
    // The kernel takes a null pointer for no question.
    if (end < begin || begin < page) return false;
    const int saved = errno;
    bool readable = is_page_readable(begin);
    for (std::uintptr_t at = begin / page * page + page; readable && at < end; at += page)
        readable = is_page_readable(at);
    errno = saved;
    return readable;
}

}  // namespace ramie::monkey::detail
