#include "support/kernel_oracle.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "ramie/monkey.hpp"
#include "ramie/run.hpp"
#include "support/fiber_test.hpp"
#include "support/threads.hpp"
#include "support/watchdog.hpp"

namespace ramie::test {

namespace {

// The calls that wait in the kernel for their own sake, and not for a lock of the test.
constexpr std::initializer_list<long> waiting_calls{
    SYS_read,     SYS_write,         SYS_readv,           SYS_writev,      SYS_recvfrom,
    SYS_sendto,   SYS_recvmsg,       SYS_sendmsg,         SYS_accept,      SYS_accept4,
    SYS_connect,  SYS_nanosleep,     SYS_clock_nanosleep, SYS_poll,        SYS_ppoll,
    SYS_select,   SYS_pselect6,      SYS_epoll_wait,      SYS_epoll_pwait, SYS_epoll_pwait2,
    SYS_pause,    SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_recvmmsg,    SYS_preadv2,
    SYS_pwritev2, SYS_sendmmsg,      SYS_sendfile,        SYS_splice,      SYS_tee,
    SYS_vmsplice, SYS_open,          SYS_openat,          SYS_flock,       SYS_fcntl,
    SYS_wait4,    SYS_waitid};

}  // namespace

bool is_blocked_in_kernel(pid_t thread) { return is_in_call(thread, waiting_calls); }

namespace {

// Long ones by their length and a checksum.
std::string shown(std::string_view bytes) {
    constexpr std::size_t longest = 40;
    if (bytes.size() <= longest) return "\"" + std::string(bytes) + "\"";
    return std::to_string(bytes.size()) + " bytes, hash " +
           std::to_string(std::hash<std::string_view>()(bytes));
}

std::atomic<int> pipe_signals{0};

std::string play_once(const scenario& prepare, bool on_fibers) {
    stage s(on_fibers);
    prepare(s);
    s.play();
    return s.transcript();
}

// On a thread of its own, so that nothing of the thread survives the run.
std::string play_on_threads(const scenario& prepare) {
    std::string transcript;
    std::thread([&] { transcript = play_once(prepare, false); }).join();
    return transcript;
}

std::string play_on_fibers(const scenario& prepare) {
    std::string transcript;
    std::thread([&] { ramie::run([&] { transcript = play_once(prepare, true); }); }).join();
    return transcript;
}

}  // namespace

int broken_pipes() {
    static const bool once = [] {
        std::signal(SIGPIPE, [](int) { ++pipe_signals; });
        return true;
    }();
    static_cast<void>(once);
    return pipe_signals.load();
}

void expect_same_as_kernel(const scenario& prepare) {
    const watchdog dog(std::chrono::seconds(20));
    const int before = open_descriptors();
    const std::string kernel = play_on_threads(prepare);
    EXPECT_FALSE(kernel.empty());
    if (std::getenv("RAMIE_SHOW_TRANSCRIPTS") != nullptr)
        std::fprintf(stderr, "%s", kernel.c_str());
    monkey::patch_all();
    EXPECT_EQ(play_on_fibers(prepare), kernel);
    EXPECT_EQ(open_descriptors(), before);
}

// --- the stage -------------------------------------------------------------------------------

stage::~stage() {
    for (const int fd : owned_) ::close(fd);
}

void stage::add(std::string name, actor::body play) {
    actors_.push_back(std::make_unique<actor>(*this, std::move(name), std::move(play)));
}

void stage::play() {
    if (on_fibers_) {
        for (auto& each : actors_)
            each->fiber_ = spawn({.name = each->name_}, [&each] { each->play(); });
        for (auto& each : actors_) each->fiber_.get();
        return;
    }
    std::vector<std::thread> threads;
    for (auto& each : actors_) threads.emplace_back([&each] { each->play(); });
    for (auto& thread : threads) thread.join();
}

std::string stage::transcript() const {
    std::string all;
    for (const auto& each : actors_) all += each->transcript_;
    return all;
}

ends stage::open(channel c, int flags) {
    const ends made = open_channel(c, flags);
    own(made.a);
    own(made.b);
    return made;
}

int stage::own(int fd) {
    const std::lock_guard lock(mutex_);
    owned_.push_back(fd);
    return fd;
}

void stage::disown(int fd) {
    const std::lock_guard lock(mutex_);
    std::erase(owned_, fd);
}

actor& stage::find(std::string_view name) {
    return **std::ranges::find_if(actors_, [&](const auto& each) { return each->name_ == name; });
}

void stage::give_way() const {
    if (on_fibers_)
        this_fiber::yield();
    else
        std::this_thread::yield();
}

// --- an actor --------------------------------------------------------------------------------

void actor::play() {
    thread_ = static_cast<pid_t>(::syscall(SYS_gettid));
    play_(*this);
    ended_ = true;
}

void actor::log(std::string line) { transcript_ += name_ + ": " + std::move(line) + "\n"; }

void actor::log_result(std::string_view name, long result) {
    const char* const error = result == -1 ? strerrorname_np(errno) : "";
    log(std::string(name) + " = " + std::to_string(result) + " " + error);
}

void actor::log_descriptor(std::string_view name, long fd) {
    if (fd < 0) return log_result(name, fd);
    log(std::string(name) + " = a descriptor");
}

void actor::log_part(std::string_view name, std::size_t size, long result) {
    if (result <= 0) return log_result(name, result);
    log(std::string(name) + (static_cast<std::size_t>(result) < size ? " a part" : " all"));
}

void actor::log_bytes(std::string_view name, long result, std::string_view bytes) {
    log_result(std::string(name) + " " + shown(bytes), result);
}

void actor::log_mode(int fd) {
    log((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 ? "non-blocking" : "blocking");
}

void actor::log_time(std::chrono::nanoseconds taken, std::chrono::microseconds least) {
    using namespace std::chrono_literals;
    const auto slack = stage_.on_fibers() ? 0ms : 10ms;
    log(taken + slack >= least ? "took its time" : "was too early");
}

int actor::close(int fd) {
    stage_.disown(fd);
    return static_cast<int>(call("close", [fd] { return ::close(fd); }));
}

bool actor::waits() const {
    if (!stage_.on_fibers()) return thread_ != 0 && is_blocked_in_kernel(thread_);
    return fiber_ && fiber_.core()->state == ramie::detail::fiber_state::parked;
}

void actor::until(const std::function<bool()>& condition) {
    while (!condition()) stage_.give_way();
}

void actor::until_blocked(std::string_view name, int calls) {
    const actor& other = stage_.find(name);
    int& seen = seen_waiting_[&other];
    seen = std::max(seen, calls);
    until([&] { return other.ended_ || (other.calls_ > seen && other.waits()); });
    seen = other.calls_;
    // A scenario is wrong when this fails on threads.
    EXPECT_FALSE(other.ended_) << name << " did not wait";
}

bool actor::still_waits(std::string_view name) {
    const actor& other = stage_.find(name);
    const int seen = seen_waiting_.at(&other);
    // One that was woken for nothing needs its turn to see that, and to wait again.
    if (stage_.on_fibers()) let_others_run();
    until([&] { return other.returned_ >= seen || other.waits(); });
    return other.returned_ < seen;
}

bool actor::has_ended(std::string_view name) const { return stage_.find(name).ended_; }

void actor::until_ended(std::string_view name) {
    until([&] { return has_ended(name); });
}

void actor::until_begun(std::string_view name, int calls) {
    const actor& other = stage_.find(name);
    until([&] { return other.ended_ || other.calls_ >= calls; });
}

void actor::give_way() const { stage_.give_way(); }

void actor::until_drained(int fd) {
    until([fd] {
        int left = 0;
        return ::ioctl(fd, FIONREAD, &left) == 0 && left == 0;
    });
}

}  // namespace ramie::test
