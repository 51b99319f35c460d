#pragma once
// Ends the process when a test blocks its thread, which no fiber could report.
//
//     const watchdog dog(20s);

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "ramie/detail/signals_blocked.hpp"

namespace ramie::test {

class watchdog {
  public:
    explicit watchdog(std::chrono::seconds limit) {
        const detail::signals_blocked during;  // signals are for the test's threads
        thread_ = std::thread([this, limit] { watch(limit); });
    }
    ~watchdog() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        gone_.notify_one();
        thread_.join();
    }
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;

  private:
    void watch(std::chrono::seconds limit) {
        std::unique_lock lock(mutex_);
        if (gone_.wait_for(lock, limit, [this] { return done_; })) return;
        std::fputs("the test hangs: a call blocked the thread, or was never woken\n", stderr);
        std::abort();
    }

    std::mutex mutex_;
    std::condition_variable gone_;
    bool done_ = false;
    std::thread thread_;
};

}  // namespace ramie::test
