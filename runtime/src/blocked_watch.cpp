#include "blocked_watch.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "diagnostics.hpp"
#include "loop_probe.hpp"
#include "mailbox.hpp"
#include "ramie/blocked.hpp"
#include "ramie/detail/signals_blocked.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr nanoseconds between_reports = 1s;

std::int64_t real_now() noexcept {
    return std::chrono::steady_clock::now().time_since_epoch() / 1ns;
}

void print(const blocked_report& r) {
    std::string text =
        "ramie: " + r.fiber + " has held its loop for " + std::to_string(r.held_for / 1ms) + " ms";
    if (r.unreported != 0) text += " (" + std::to_string(r.unreported) + " times unreported)";
    text += '\n';
    for (const std::string& frame : r.stack) text += "    " + frame + '\n';
    std::fputs(text.c_str(), stderr);
}

// The one of the process. Never destroyed: its thread looks on while the program ends.
class loop_watch {
  public:
    void set(blocked_handler f, nanoseconds threshold) {
        {
            const std::lock_guard guard(mutex_);
            handler_ = std::move(f);
            threshold_ = threshold;
            if (threshold_ > 0ns) start_thread();
        }
        changed_.notify_one();
    }

    // The one that the thread has already goes on: it knows of the last report.
    std::shared_ptr<heartbeat> add(pid_t thread, std::shared_ptr<heartbeat> now) {
        const std::lock_guard guard(mutex_);
        if (threshold_ == 0ns) return nullptr;
        start_thread();
        if (now != nullptr && now->thread() == thread) return now;
        auto heart = std::make_shared<heartbeat>(thread, real_now());
        std::erase_if(hearts_, [](const auto& each) { return each.expired(); });
        hearts_.push_back(heart);
        changed_.notify_one();
        return heart;
    }

    // A fork takes no thread along, but the lock as it is.
    void before_fork() { mutex_.lock(); }
    void after_fork() { mutex_.unlock(); }
    void begin_child() {
        thread_runs_ = false;
        hearts_.clear();
        mutex_.unlock();
    }

  private:
    // With the lock held.
    void start_thread() {
        if (thread_runs_) return;
        prepare_loop_probe();
        const signals_blocked during;  // signals are for the program's threads
        std::thread([this] { look(); }).detach();
        thread_runs_ = true;
    }

    [[noreturn]] void look() {
        std::unique_lock held(mutex_);
        for (;;) {
            if (threshold_ == 0ns || hearts_.empty())
                changed_.wait(held);
            else
                changed_.wait_for(held, std::max<nanoseconds>(threshold_ / 4, 1ms));
            const auto hearts = hearts_;
            for (const auto& each : hearts)
                if (const auto heart = each.lock()) look_at(*heart, held);
        }
    }

    void look_at(heartbeat& heart, std::unique_lock<std::mutex>& held) {
        const std::int64_t since = heart.since();
        const std::int64_t now = real_now();
        if (since == heartbeat::resting || since == heart.reported_since || threshold_ == 0ns ||
            now - since < threshold_.count())
            return;
        heart.reported_since = since;
        if (now - heart.last_report < between_reports.count()) {
            ++heart.unreported;
            return;
        }
        const blocked_handler handler = handler_;
        held.unlock();
        if (auto report = probe_loop(heart, since)) {
            heart.last_report = now;
            report->unreported = std::exchange(heart.unreported, 0);
            tell(handler, *report);
        }
        held.lock();
    }

    static void tell(const blocked_handler& handler, const blocked_report& report) noexcept {
        try {
            handler != nullptr ? handler(report) : print(report);
        } catch (...) {
            report_unhandled("the handler of on_blocked", std::current_exception());
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    blocked_handler handler_;
    nanoseconds threshold_{0};
    std::vector<std::weak_ptr<heartbeat>> hearts_;
    bool thread_runs_ = false;
};

loop_watch& the_watch() {
    static loop_watch& one = []() -> loop_watch& {
        auto* made = new loop_watch;
        leave_behind(made);
        return *made;
    }();
    static const int registered =
        pthread_atfork([] { the_watch().before_fork(); }, [] { the_watch().after_fork(); },
                       [] { the_watch().begin_child(); });
    static_cast<void>(registered);
    return one;
}

// RAMIE_BLOCKED_MS, once; what it says that is no time is said to be so.
void read_environment() {
    const char* wish = std::getenv("RAMIE_BLOCKED_MS");
    if (wish == nullptr) return;
    unsigned milliseconds = 0;
    const char* end = wish + std::strlen(wish);
    const auto [stop, error] = std::from_chars(wish, end, milliseconds);
    if (error != std::errc() || stop != end)
        std::fprintf(stderr, "ramie: RAMIE_BLOCKED_MS=%s is no number of milliseconds\n", wish);
    else
        the_watch().set({}, std::chrono::milliseconds(milliseconds));
}

}  // namespace

void prepare_loop_watch() { the_watch(); }

std::shared_ptr<heartbeat> watch_this_loop(std::shared_ptr<heartbeat> now) {
    static const bool once = [] {
        read_environment();
        return true;
    }();
    static_cast<void>(once);
    return the_watch().add(::gettid(), std::move(now));
}

}  // namespace ramie::detail

namespace ramie {

void on_blocked(blocked_handler f, std::chrono::milliseconds threshold) {
    detail::the_watch().set(std::move(f), std::max(threshold, std::chrono::milliseconds(0)));
    for (const auto& box : detail::all_mailboxes())
        box->post([] { detail::current_scheduler->keep_heartbeat(); });
    if (detail::current_scheduler != nullptr) detail::current_scheduler->keep_heartbeat();
}

}  // namespace ramie
