// accept4() has no flag like MSG_DONTWAIT, and O_NONBLOCK belongs to the open file, which other
// processes may share: set for one call, it would be seen by all, and two processes that set and
// clear it around their calls leave one of them blocked. io_uring's accept takes the flag with the
// request (IORING_ACCEPT_DONTWAIT, Linux 6.10), so that is what is used. Where there is none, the
// listener is made non-blocking and stays so; docs/patching.md says so.

#include "accept.hpp"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <optional>

#include "descriptor_kind.hpp"
#include "made_nonblocking.hpp"
#include "ramie/detail/loop_descriptors.hpp"

namespace ramie::monkey::detail {

namespace {

// <linux/io_uring.h> of Debian 12 is older than the flag.
constexpr unsigned accept_dontwait = 1U << 1;

constinit std::atomic<bool> ring_forbidden{false};

// A number and the file that it had. A forked child may have closed it with all that it inherited,
// and opened another file in its place.
class own_file {
  public:
    explicit own_file(int fd) noexcept : fd_(fd) {
        if (fd < 0) return;
        keep_descriptor(fd);
        is_known_ = fstat(fd, &status_) == 0;
    }
    ~own_file() {
        if (fd_ < 0 || !has_it_still()) return;
        give_up_descriptor(fd_);
        syscall(SYS_close, fd_);
    }
    own_file(const own_file&) = delete;
    own_file& operator=(const own_file&) = delete;

    [[nodiscard]] int number() const noexcept { return fd_; }

  private:
    [[nodiscard]] bool has_it_still() const noexcept {
        struct stat now;
        return is_known_ && fstat(fd_, &now) == 0 && now.st_dev == status_.st_dev &&
               now.st_ino == status_.st_ino;
    }

    const int fd_;
    bool is_known_ = false;
    struct stat status_ {};
};

int set_up_ring(io_uring_params& parameters) noexcept {
    return static_cast<int>(syscall(SYS_io_uring_setup, 1, &parameters));
}

// A ring for one request at a time, made by the first patched accept of a thread.
class accept_ring {
  public:
    accept_ring() noexcept {
        usable_ = file_.number() >= 0 && map(parameters_) && knows_dontwait();
    }
    ~accept_ring() {
        if (rings_ != nullptr) munmap(rings_, rings_size_);
        if (entry_ != nullptr) munmap(entry_, sizeof *entry_);
    }
    accept_ring(const accept_ring&) = delete;
    accept_ring& operator=(const accept_ring&) = delete;

    [[nodiscard]] bool usable() const noexcept { return usable_; }

    // A forked child shares the ring with its parent: neither may take the other's connection.
    [[nodiscard]] bool is_from_before_fork() const noexcept { return epoch_ != fork_epoch(); }

    // Its number was closed behind it (by a raw system call): what is in it will not be done.
    [[nodiscard]] bool is_broken() const noexcept { return broken_; }

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
        const int fd = file_.number();
        if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0) != 1) {
            broken_ = true;
            return -errno;
        }
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
        void* found = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                           file_.number(), static_cast<off_t>(offset));
        return found == MAP_FAILED ? nullptr : found;
    }

    template <class T>
    T* at(std::uint32_t offset) noexcept {
        return reinterpret_cast<T*>(static_cast<std::byte*>(rings_) + offset);
    }

    const std::uint16_t epoch_ = fork_epoch();
    io_uring_params parameters_{};
    const own_file file_{set_up_ring(parameters_)};
    bool usable_ = false;
    bool broken_ = false;
    void* rings_ = nullptr;
    std::size_t rings_size_ = 0;
    io_uring_sqe* entry_ = nullptr;
    std::uint32_t* tail_ = nullptr;
    std::uint32_t* head_ = nullptr;
    std::uint32_t completion_mask_ = 0;
    io_uring_cqe* completions_ = nullptr;
};

// This thread's, made anew after a fork, and when it was lost.
accept_ring& ring() {
    static thread_local std::optional<accept_ring> mine;
    if (!mine || mine->is_from_before_fork() || mine->is_broken()) mine.emplace();
    return *mine;
}

// What it is, or a negative error number; nothing when there is no ring. One that was lost is
// noticed by using it.
std::optional<int> accept_by_ring(int fd, sockaddr* address, socklen_t* length,
                                  int flags) noexcept {
    if (ring_forbidden.load(std::memory_order_relaxed)) return {};
    for (int tries = 0; tries != 2 && ring().usable(); ++tries) {
        accept_ring& mine = ring();
        const int result = mine.accept(fd, address, length, flags);
        if (!mine.is_broken()) return result;
    }
    return {};
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
    if (const auto result = accept_by_ring(fd, address, length, flags)) {
        if (*result >= 0) return *result;
        errno = -*result;
        return -1;
    }
    make_nonblocking(fd);
    return real::accept4(fd, address, length, flags);
}

}  // namespace ramie::monkey::detail
