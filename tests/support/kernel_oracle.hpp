#pragma once
// The kernel is the oracle: a scenario of plain libc calls is played twice, by threads without a
// scheduler and by patched fibers. What its calls returned, errno and bytes included, must be
// equal.
//
//     expect_same_as_kernel([](stage& s) {
//         const ends tcp = s.open(channel::tcp);
//         s.add("reader", [=](actor& me) { me.receive(receiver::recv, tcp.a, 10); });
//         s.add("writer", [=](actor& me) { me.until_blocked("reader"); me.send(tcp.b, "hello"); });
//     });
//
// Actors are put in order without sleeping: until_blocked() waits until the other one is inside of
// a call that waits, as a thread in the kernel or as a parked fiber.

#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ramie/fiber.hpp"
#include "support/channels.hpp"

namespace ramie::test {

class stage;

enum class receiver { read, readv, recv, recvfrom, recvmsg };
enum class sender { write, writev, send, sendto, sendmsg };

inline constexpr receiver all_receivers[] = {receiver::read, receiver::readv, receiver::recv,
                                             receiver::recvfrom, receiver::recvmsg};
inline constexpr sender all_senders[] = {sender::write, sender::writev, sender::send,
                                         sender::sendto, sender::sendmsg};
// The first ones also work on what is no socket, the others also take flags.
inline constexpr bool takes_flags(receiver r) { return r > receiver::readv; }
inline constexpr bool takes_flags(sender s) { return s > sender::writev; }
const char* name_of(receiver);
const char* name_of(sender);

class actor {
  public:
    using body = std::function<void(actor&)>;

    actor(stage& on, std::string name, body play)
        : stage_(on), name_(std::move(name)), play_(std::move(play)) {}

    // Makes one call and logs what it returned, with errno if that is -1.
    template <class F>
    long call(std::string_view name, F f) {
        const long result = made(f);
        log_result(name, result);
        return result;
    }

    // The same for a call that makes a descriptor, whose number does not count.
    template <class F>
    int make(std::string_view name, F f) {
        const long fd = made(f);
        log_descriptor(name, fd);
        return static_cast<int>(fd);
    }

    // The same for one whose exact number differs from time to time: none, some or all of `size`.
    template <class F>
    long call_for_some(std::string_view name, std::size_t size, F f) {
        const long result = made(f);
        log_part(name, size, result);
        return result;
    }

    // Receives in pieces of different sizes where the call can; returns the bytes.
    std::string receive(receiver, int fd, std::size_t size, int flags = 0);
    long send(sender, int fd, std::string_view bytes, int flags = 0);
    long send(int fd, std::string_view bytes) { return send(sender::send, fd, bytes); }
    int close(int fd);
    void log_mode(int fd);  // F_GETFL: blocking or not
    void log(std::string line);

    // The calls in `f` take at least this long. The kernel counts in ticks and may be early by one.
    template <class F>
    void takes_at_least(std::chrono::microseconds least, F f) {
        const auto start = std::chrono::steady_clock::now();
        f();
        log_time(std::chrono::steady_clock::now() - start, least);
    }

    // Until the other one waits in a call that it had not begun when this was last asked; it has
    // begun more than `calls`.
    void until_blocked(std::string_view other, int calls = 0);
    void until_ended(std::string_view other);
    // Until the other one has begun so many calls, or ended.
    void until_begun(std::string_view other, int calls);
    [[nodiscard]] bool has_ended(std::string_view other) const;
    // True while the other one is still in the call that until_blocked() found it in, when it has
    // seen what was done to it since.
    [[nodiscard]] bool still_waits(std::string_view other);
    // Lets the others go on.
    void give_way() const;
    // Until nothing that was sent to `fd` is left to be received.
    void until_drained(int fd);
    void until(const std::function<bool()>& condition);

  private:
    friend class stage;

    template <class F>
    long made(F f) {
        ++calls_;
        errno = 0;
        const long result = f();
        ++returned_;
        return result;
    }
    void log_result(std::string_view name, long result);
    void log_descriptor(std::string_view name, long fd);
    void log_time(std::chrono::nanoseconds taken, std::chrono::microseconds least);
    void log_part(std::string_view name, std::size_t size, long result);
    void log_bytes(std::string_view name, long result, std::string_view bytes);
    [[nodiscard]] bool waits() const;
    void play();

    stage& stage_;
    std::string name_;
    body play_;
    std::string transcript_;
    fiber<> fiber_;                 // on fibers
    std::atomic<pid_t> thread_{0};  // on threads
    std::atomic<int> calls_{0};     // begun
    std::atomic<int> returned_{0};  // of those
    std::atomic<bool> ended_{false};
    std::map<const actor*, int> seen_waiting_;  // how many calls it had begun then
};

class stage {
  public:
    explicit stage(bool on_fibers) : on_fibers_(on_fibers) {}
    ~stage();
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;

    void add(std::string name, actor::body play);

    // Plays all actors to their ends.
    void play();
    [[nodiscard]] std::string transcript() const;

    // A connected pair, closed with the stage. `flags` (SOCK_NONBLOCK) are those of `a`.
    ends open(channel c, int flags = 0);
    int own(int fd);
    void disown(int fd);

    [[nodiscard]] bool on_fibers() const { return on_fibers_; }
    [[nodiscard]] actor& find(std::string_view name);
    void give_way() const;

  private:
    bool on_fibers_;
    std::vector<std::unique_ptr<actor>> actors_;
    std::mutex mutex_;  // actors may be threads
    std::vector<int> owned_;
};

using scenario = std::function<void(stage&)>;

// Plays it on threads, patches this process, plays it on fibers, and compares.
void expect_same_as_kernel(const scenario&);

// True while this thread of this process is inside of a call that waits.
bool is_blocked_in_kernel(pid_t thread);

// How often this process was sent SIGPIPE; none of them ends it from the first call on.
int broken_pipes();

}  // namespace ramie::test
