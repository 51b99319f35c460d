#include "ramie/monkey/faults.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "descriptor_kind.hpp"
#include "ramie/fiber.hpp"
#include "ramie/testing/explore.hpp"
#include "stream_io.hpp"

namespace ramie::monkey {

using detail::direction;
using testing::fault_plan;
using testing::fault_source;

class fault_injection::state {
  public:
    struct target {
        explicit target(const fault_plan& plan) noexcept : source(plan) {}
        deadline& delayed_until(direction dir) noexcept {
            return dir == direction::read ? read_delay : write_delay;
        }
        fault_source source;
        deadline read_delay = deadline::at(0);
        deadline write_delay = deadline::at(0);
    };

    state(int fd, const fault_plan& plan) : plan_(plan), only_(fd) {
        if (fd >= 0) only_generation_ = generation_of(fd);
        if (plan_.seed == 0) plan_.seed = testing::seed();
    }
    ~state() {
        for (const nudge& each : nudges_) {
            if (each.fiber.ready()) continue;
            each.fiber.try_kill();
            deliver(each.fd, each.generation, each.dir);
        }
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    [[nodiscard]] bool is_for_one() const noexcept { return only_ >= 0; }

    // Null: this plan is not for it.
    target* target_of(int fd) {
        const std::uint32_t generation = generation_of(fd);
        if (is_for_one() && (fd != only_ || generation != only_generation_)) return nullptr;
        const auto [place, is_new] = targets_.try_emplace({fd, generation}, plan_);
        if (is_new) ++plan_.seed;
        return &place->second;
    }

    // Readiness that an injected fault has hidden: the kernel tells of it only once.
    void nudge_later(int fd, direction dir, std::chrono::nanoseconds delay) {
        std::erase_if(nudges_, [](const nudge& each) { return each.fiber.ready(); });
        const std::uint32_t generation = generation_of(fd);
        auto fiber = spawn_later(delay, [=] { deliver(fd, generation, dir); });
        nudges_.push_back({fiber, fd, generation, dir});
    }

  private:
    struct nudge {
        fiber_base fiber;
        int fd;
        std::uint32_t generation;
        direction dir;
    };

    static std::uint32_t generation_of(int fd) noexcept {
        const auto* const facts = ramie::detail::facts_of(fd);
        return facts == nullptr ? 0 : facts->generation.load(std::memory_order_relaxed);
    }
    static void deliver(int fd, std::uint32_t generation, direction dir) noexcept {
        auto* const d = ramie::detail::descriptor_of(fd);
        if (d == nullptr || d->generation != generation) return;
        d->ready |= static_cast<std::uint8_t>(dir);
        d->waiting(dir).wake_one();
    }

    fault_plan plan_;
    int only_;
    std::uint32_t only_generation_ = 0;
    std::map<std::pair<int, std::uint32_t>, target> targets_;
    std::vector<nudge> nudges_;
};

namespace {

namespace real = detail::real;
using injections = std::vector<fault_injection::state*>;

// Of this thread; those for one descriptor first.
injections& active() {
    static thread_local injections mine;
    return mine;
}

// The calls behind ours while any injection lives.
struct plain_calls {
    decltype(real::recv)::pointer recv;
    decltype(real::recvfrom)::pointer recvfrom;
    decltype(real::recvmsg)::pointer recvmsg;
    decltype(real::send)::pointer send;
    decltype(real::sendto)::pointer sendto;
    decltype(real::sendmsg)::pointer sendmsg;
};
constinit plain_calls plain{};

bool may_fail(int fd, int flags) noexcept {
    constexpr int special = MSG_PEEK | MSG_OOB | MSG_ERRQUEUE;
    return ramie::detail::current_fiber != nullptr && (flags & MSG_DONTWAIT) != 0 &&
           (flags & special) == 0 && detail::socket_option(fd, SO_TYPE) == SOCK_STREAM;
}

// `transfer(most)` is the plain call, of so many bytes at most.
template <class Transfer>
ssize_t transfer_with(fault_injection::state& injection, fault_injection::state::target& target,
                      int fd, direction dir, std::size_t wanted, Transfer transfer) {
    // The kernel may have said that it is ready in the meantime.
    if (!target.delayed_until(dir).expired()) {
        errno = EAGAIN;
        return -1;
    }
    fault_source& source = target.source;
    const bool reads = dir == direction::read;
    const auto next = reads ? source.next_read(wanted) : source.next_write(wanted);
    switch (next.what) {
        case fault_source::outcome::ends:
            return 0;
        case fault_source::outcome::resets:
            errno = ECONNRESET;
            return -1;
        case fault_source::outcome::waits:
            target.delayed_until(dir) = next.delay;
            injection.nudge_later(fd, dir, next.delay);
            errno = EAGAIN;
            return -1;
        case fault_source::outcome::moves:
            break;
    }
    const ssize_t n = transfer(next.most);
    if (n <= 0) return n;
    if (reads)
        source.was_read(static_cast<std::size_t>(n));
    else
        source.was_written(static_cast<std::size_t>(n));
    if (next.most < wanted) injection.nudge_later(fd, dir, {});
    return n;
}

template <class Transfer>
ssize_t with_faults(int fd, direction dir, std::size_t wanted, int flags, Transfer transfer) {
    if (wanted == 0 || active().empty() || !may_fail(fd, flags)) return transfer(wanted);
    for (fault_injection::state* const each : active()) {
        auto* const target = each->target_of(fd);
        if (target != nullptr) return transfer_with(*each, *target, fd, dir, wanted, transfer);
    }
    return transfer(wanted);
}

// A message of which only so many bytes are moved.
class shorter_message {
  public:
    shorter_message(const msghdr& whole, std::size_t most) noexcept
        : message_(whole), window_(detail::part_cursor(whole.msg_iov, whole.msg_iovlen).next()) {
        for (std::size_t i = 0; i != window_.count; ++i) {
            window_.parts[i].iov_len = std::min(window_.parts[i].iov_len, most);
            most -= window_.parts[i].iov_len;
        }
        message_.msg_iov = window_.parts;
        message_.msg_iovlen = window_.count;
    }
    msghdr* get() noexcept { return &message_; }
    // What the kernel has told with a part of it.
    void give_back(msghdr& whole) const noexcept {
        whole.msg_namelen = message_.msg_namelen;
        whole.msg_controllen = message_.msg_controllen;
        whole.msg_flags = message_.msg_flags;
    }

  private:
    msghdr message_;
    detail::part_cursor::window window_;
};

std::size_t size_of(const msghdr& message) noexcept {
    return detail::part_cursor(message.msg_iov, message.msg_iovlen).left();
}

ssize_t faulty_recv(int fd, void* data, size_t size, int flags) {
    return with_faults(fd, direction::read, size, flags,
                       [=](std::size_t most) { return plain.recv(fd, data, most, flags); });
}

ssize_t faulty_recvfrom(int fd, void* data, size_t size, int flags, sockaddr* from,
                        socklen_t* length) {
    return with_faults(fd, direction::read, size, flags, [=](std::size_t most) {
        return plain.recvfrom(fd, data, most, flags, from, length);
    });
}

ssize_t faulty_recvmsg(int fd, msghdr* message, int flags) {
    const std::size_t size = size_of(*message);
    return with_faults(fd, direction::read, size, flags, [=](std::size_t most) {
        if (most == size) return plain.recvmsg(fd, message, flags);
        shorter_message part(*message, most);
        const ssize_t n = plain.recvmsg(fd, part.get(), flags);
        part.give_back(*message);
        return n;
    });
}

ssize_t faulty_send(int fd, const void* data, size_t size, int flags) {
    return with_faults(fd, direction::write, size, flags,
                       [=](std::size_t most) { return plain.send(fd, data, most, flags); });
}

ssize_t faulty_sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
                      socklen_t length) {
    return with_faults(fd, direction::write, size, flags, [=](std::size_t most) {
        return plain.sendto(fd, data, most, flags, to, length);
    });
}

ssize_t faulty_sendmsg(int fd, const msghdr* message, int flags) {
    const std::size_t size = size_of(*message);
    return with_faults(fd, direction::write, size, flags, [=](std::size_t most) {
        if (most == size) return plain.sendmsg(fd, message, flags);
        shorter_message part(*message, most);
        return plain.sendmsg(fd, part.get(), flags);
    });
}

std::mutex use_mutex;
int uses = 0;

void begin_use() {
    const std::lock_guard guard(use_mutex);
    if (uses++ != 0) return;
    plain = {real::recv.get(), real::recvfrom.get(), real::recvmsg.get(),
             real::send.get(), real::sendto.get(),   real::sendmsg.get()};
    real::recv.replace(&faulty_recv);
    real::recvfrom.replace(&faulty_recvfrom);
    real::recvmsg.replace(&faulty_recvmsg);
    real::send.replace(&faulty_send);
    real::sendto.replace(&faulty_sendto);
    real::sendmsg.replace(&faulty_sendmsg);
}

// Who is inside of one of ours on another thread still finds the plain calls.
void end_use() noexcept {
    const std::lock_guard guard(use_mutex);
    if (--uses != 0) return;
    real::recv.replace(plain.recv);
    real::recvfrom.replace(plain.recvfrom);
    real::recvmsg.replace(plain.recvmsg);
    real::send.replace(plain.send);
    real::sendto.replace(plain.sendto);
    real::sendmsg.replace(plain.sendmsg);
}

}  // namespace

fault_injection::fault_injection(const fault_plan& plan) : fault_injection(-1, plan) {}

fault_injection::fault_injection(int fd, const fault_plan& plan)
    : state_(std::make_unique<state>(fd, plan)) {
    injections& mine = active();
    mine.insert(state_->is_for_one() ? mine.begin() : mine.end(), state_.get());
    begin_use();
}

fault_injection::~fault_injection() {
    end_use();
    std::erase(active(), state_.get());
}

}  // namespace ramie::monkey
