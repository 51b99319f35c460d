// accept4() has no flag like MSG_DONTWAIT, and O_NONBLOCK belongs to the open file, which other
// processes may share: set for one call, it would be seen by all, and two processes that set and
// clear it around their calls leave one of them blocked. io_uring's accept takes the flag with the
// request (IORING_ACCEPT_DONTWAIT, Linux 6.10), so that is what is used. Where there is none, the
// listener is made non-blocking and stays so; docs/patching.md says so.

#include "accept.hpp"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <optional>

#include "descriptor_kind.hpp"
#include "made_nonblocking.hpp"

namespace ramie::monkey::detail {

namespace {

// <linux/io_uring.h> of Debian 12 is older than the flag.
constexpr unsigned accept_dontwait = 1U << 1;

constinit std::atomic<bool> ring_forbidden{false};

// A ring for one request at a time, made by the first patched accept of a thread.
class accept_ring {
  public:
    accept_ring() noexcept {
        io_uring_params parameters{};
        fd_ = static_cast<int>(syscall(SYS_io_uring_setup, 1, &parameters));
        if (fd_ < 0) return;
        usable_ = map(parameters) && knows_dontwait();
    }
    ~accept_ring() {
        if (rings_ != nullptr) munmap(rings_, rings_size_);
        if (entry_ != nullptr) munmap(entry_, sizeof *entry_);
        if (fd_ >= 0) syscall(SYS_close, fd_);
    }
    accept_ring(const accept_ring&) = delete;
    accept_ring& operator=(const accept_ring&) = delete;

    [[nodiscard]] bool usable() const noexcept { return usable_; }

    // A forked child shares the ring with its parent: neither may take the other's connection.
    [[nodiscard]] bool is_from_before_fork() const noexcept { return epoch_ != fork_epoch(); }

    int accept(int fd, sockaddr* address, socklen_t* length, int flags) noexcept {
        io_uring_sqe request{};
        request.opcode = IORING_OP_ACCEPT;
        request.ioprio = accept_dontwait;
        request.fd = fd;
        request.addr = reinterpret_cast<std::uintptr_t>(address);
        request.addr2 = reinterpret_cast<std::uintptr_t>(length);
        request.accept_flags = static_cast<std::uint32_t>(flags);
        return run(request);
    }

  private:
    // An older kernel refuses the flag before it looks at the descriptor.
    bool knows_dontwait() noexcept { return accept(-1, nullptr, nullptr, 0) == -EBADF; }

    // Submits the one request and takes its result, which is there when the call returns.
    int run(const io_uring_sqe& request) noexcept {
        *entry_ = request;
        std::atomic_ref(*tail_).store(*tail_ + 1, std::memory_order_release);
        if (syscall(SYS_io_uring_enter, fd_, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0) != 1)
            return -errno;
        const int result = completions_[*head_ & completion_mask_].res;
        std::atomic_ref(*head_).store(*head_ + 1, std::memory_order_release);
        return result;
    }

    bool map(const io_uring_params& p) noexcept {
        if ((p.features & IORING_FEAT_SINGLE_MMAP) == 0) return false;
        rings_size_ = std::max(p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe),
                               p.sq_off.array + p.sq_entries * sizeof(std::uint32_t));
        rings_ = map_at(rings_size_, IORING_OFF_SQ_RING);
        entry_ = static_cast<io_uring_sqe*>(map_at(sizeof *entry_, IORING_OFF_SQES));
        if (rings_ == nullptr || entry_ == nullptr) return false;
        tail_ = at<std::uint32_t>(p.sq_off.tail);
        head_ = at<std::uint32_t>(p.cq_off.head);
        completion_mask_ = *at<std::uint32_t>(p.cq_off.ring_mask);
        completions_ = at<io_uring_cqe>(p.cq_off.cqes);
        *at<std::uint32_t>(p.sq_off.array) = 0;
        return true;
    }

    void* map_at(std::size_t size, std::uint64_t offset) noexcept {
        void* found = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_,
                           static_cast<off_t>(offset));
        return found == MAP_FAILED ? nullptr : found;
    }

    template <class T>
    T* at(std::uint32_t offset) noexcept {
        return reinterpret_cast<T*>(static_cast<std::byte*>(rings_) + offset);
    }

    const std::uint16_t epoch_ = fork_epoch();
    int fd_ = -1;
    bool usable_ = false;
    void* rings_ = nullptr;
    std::size_t rings_size_ = 0;
    io_uring_sqe* entry_ = nullptr;
    std::uint32_t* tail_ = nullptr;
    std::uint32_t* head_ = nullptr;
    std::uint32_t completion_mask_ = 0;
    io_uring_cqe* completions_ = nullptr;
};

// This thread's, made anew after a fork.
accept_ring& ring() {
    static thread_local std::optional<accept_ring> mine;
    if (!mine || mine->is_from_before_fork()) mine.emplace();
    return *mine;
}

void make_nonblocking(int fd) noexcept {
    const int flags = real::fcntl(fd, F_GETFL, nullptr);
    if (flags < 0 || (flags & O_NONBLOCK) != 0) return;
    note_made_nonblocking(fd);
    real::fcntl(fd, F_SETFL, reinterpret_cast<void*>(std::intptr_t{flags | O_NONBLOCK}));
}

}  // namespace

void forbid_ring_for_accept(bool forbid) noexcept { ring_forbidden = forbid; }

int try_accept(int fd, sockaddr* address, socklen_t* length, int flags) noexcept {
    if (!ring_forbidden.load(std::memory_order_relaxed) && ring().usable()) {
        const int result = ring().accept(fd, address, length, flags);
        if (result >= 0) return result;
        errno = -result;
        return -1;
    }
    make_nonblocking(fd);
    return real::accept4(fd, address, length, flags);
}

}  // namespace ramie::monkey::detail
