#pragma once
// What on_blocked() has told.
//
//     const auto reports = std::make_shared<blocked_reports>();
//     on_blocked(added_to(reports), 10ms);

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramie/blocked.hpp"

namespace ramie::test {

// What was reported, for the fibers that hold up their loop until it is.
class blocked_reports {
  public:
    void add(const blocked_report& r) {
        const std::lock_guard guard(mutex_);
        reports_.push_back(r);
        added_.notify_all();
    }
    // Blocks the thread for a while, and so holds the loop.
    std::optional<blocked_report> wait_for(std::string_view fiber) {
        using namespace std::chrono_literals;
        std::unique_lock held(mutex_);
        if (!added_.wait_for(held, 100ms, [&] { return find(fiber) != reports_.end(); })) return {};
        return *find(fiber);
    }
    bool names(std::string_view fiber) {
        const std::lock_guard guard(mutex_);
        return find(fiber) != reports_.end();
    }
    std::size_t size() {
        const std::lock_guard guard(mutex_);
        return reports_.size();
    }

  private:
    std::vector<blocked_report>::iterator find(std::string_view fiber) {
        return std::ranges::find_if(reports_, [=](const blocked_report& r) {
            return r.fiber.find(fiber) != std::string::npos;
        });
    }

    std::mutex mutex_;
    std::condition_variable added_;
    std::vector<blocked_report> reports_;
};

// Keeps them: one may be on its way while on_blocked() ends the reports.
inline blocked_handler added_to(std::shared_ptr<blocked_reports> reports) {
    return [reports = std::move(reports)](const blocked_report& r) { reports->add(r); };
}

}  // namespace ramie::test
