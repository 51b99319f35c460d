#include "made_nonblocking.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

#include "calls.hpp"

namespace ramie::monkey::detail {

namespace {

// Sockets by their cookies, which the kernel gives once and never again: the entry of a socket that
// is gone means nothing. The oldest makes room.
struct cookie_list {
    static constexpr std::uint32_t capacity = 511;
    std::atomic<std::uint32_t> added;
    std::atomic<std::uint64_t> cookies[capacity];

    [[nodiscard]] bool empty() const noexcept { return added.load() == 0; }

    void add(std::uint64_t cookie) noexcept { cookies[added.fetch_add(1) % capacity] = cookie; }

    std::atomic<std::uint64_t>* find(std::uint64_t cookie) noexcept {
        for (auto& each : cookies)
            if (each.load(std::memory_order_relaxed) == cookie) return &each;
        return nullptr;
    }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constinit cookie_list of_this_process{};
constinit std::atomic<cookie_list*> made_nonblocking{&of_this_process};

cookie_list& list() noexcept { return *made_nonblocking.load(std::memory_order_acquire); }

// 0: none.
std::uint64_t cookie_of(int fd) noexcept {
    const int saved = errno;
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    if (real::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0) cookie = 0;
    errno = saved;
    return cookie;
}

}  // namespace

void make_shared_modes() noexcept {
    void* const page = mmap(nullptr, sizeof(cookie_list), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    cookie_list* own = &of_this_process;
    if (made_nonblocking.compare_exchange_strong(own, static_cast<cookie_list*>(page)))
        has_shared_modes = true;
    else
        munmap(page, sizeof(cookie_list));
}

void note_made_nonblocking(int fd) noexcept {
    const std::uint64_t cookie = cookie_of(fd);
    if (cookie != 0 && list().find(cookie) == nullptr) list().add(cookie);
}

void note_mode_chosen(int fd) noexcept {
    if (list().empty()) return;
    const std::uint64_t cookie = cookie_of(fd);
    if (cookie == 0) return;
    if (auto* const entry = list().find(cookie)) *entry = 0;
}

bool is_made_nonblocking(int fd) noexcept {
    if (list().empty()) return false;
    const std::uint64_t cookie = cookie_of(fd);
    return cookie != 0 && list().find(cookie) != nullptr;
}

}  // namespace ramie::monkey::detail
