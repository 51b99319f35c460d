#include "ramie/thread_pool.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace ramie {

namespace {

constexpr std::chrono::seconds patience{5};  // of an idle thread that is not needed

std::size_t default_size() {
    const char* text = std::getenv("RAMIE_THREADS");
    const std::size_t asked = text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
    return asked == 0 ? 10 : asked;
}

}  // namespace

class thread_pool::state : public std::enable_shared_from_this<state> {
  public:
    state(std::size_t min, std::size_t max, std::size_t bound)
        : min_(min), max_(max), bound_(bound) {}

    // False, and what to wait for, when there is no room.
    using place = std::shared_ptr<async_result<>>;
    bool add(const std::shared_ptr<detail::thread_job>& job, const place& room) {
        const std::lock_guard guard(mutex_);
        if (stopping_) throw too_late();
        if (jobs_.size() >= bound_) {
            room_wanted_.push_back(room);
            return false;
        }
        jobs_.push_back(job);
        if (jobs_.size() > idle_ && threads_.size() < max_) start_thread();
        news_.notify_one();
        return true;
    }

    // Room that was offered to one that was killed is the next one's.
    void give_up(const place& room) {
        const std::lock_guard guard(mutex_);
        if (std::erase(room_wanted_, room) == 0) offer_room();
    }

    void stop() {
        std::vector<std::thread> all;
        std::deque<std::shared_ptr<detail::thread_job>> dropped;
        std::deque<place> refused;
        {
            const std::lock_guard guard(mutex_);
            stopping_ = true;
            all.swap(threads_);
            dropped.swap(jobs_);
            refused.swap(room_wanted_);
            news_.notify_all();
        }
        for (const auto& each : dropped) each->revoke();
        for (const auto& each : refused) each->set_exception(std::make_exception_ptr(too_late()));
        for (std::thread& each : all) each.join();
    }

    std::size_t threads() {
        const std::lock_guard guard(mutex_);
        return threads_.size();
    }
    std::size_t busy() {
        const std::lock_guard guard(mutex_);
        return busy_;
    }
    std::size_t waiting() {
        const std::lock_guard guard(mutex_);
        return jobs_.size();
    }

  private:
    static std::logic_error too_late() {
        return std::logic_error("ramie: the thread_pool was destroyed before this work began");
    }

    void start_thread() {
        threads_.emplace_back([self = shared_from_this()] { self->work(); });
    }

    void work() {
        while (auto job = next()) {
            job->run();
            job.reset();
            const std::lock_guard guard(mutex_);
            --busy_;
        }
    }

    // Null: the thread is to end.
    std::shared_ptr<detail::thread_job> next() {
        std::unique_lock lock(mutex_);
        while (jobs_.empty()) {
            if (stopping_) return nullptr;
            ++idle_;
            const auto news = news_.wait_for(lock, patience);
            --idle_;
            if (news == std::cv_status::timeout && jobs_.empty() && retire()) return nullptr;
        }
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        ++busy_;
        offer_room();
        return job;
    }

    // Those that found no room look again, one for each place.
    void offer_room() {
        if (room_wanted_.empty()) return;
        room_wanted_.front()->set();
        room_wanted_.pop_front();
    }

    // Of the calling thread, which nobody joins then.
    bool retire() {
        if (stopping_ || threads_.size() <= min_) return false;
        for (auto each = threads_.begin(); each != threads_.end(); ++each) {
            if (each->get_id() != std::this_thread::get_id()) continue;
            each->detach();
            threads_.erase(each);
            return true;
        }
        return false;
    }

    const std::size_t min_, max_, bound_;
    std::mutex mutex_;
    std::condition_variable news_;
    std::deque<std::shared_ptr<detail::thread_job>> jobs_;
    std::deque<place> room_wanted_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    std::size_t busy_ = 0;
    bool stopping_ = false;
};

thread_pool::thread_pool(std::size_t min, std::size_t max, std::size_t bound)
    : state_(std::make_shared<state>(min, max, bound)) {
    if (min > max || max == 0 || bound == 0)
        throw std::invalid_argument("ramie: a thread_pool wants min <= max, and max and bound > 0");
}

thread_pool::~thread_pool() { state_->stop(); }

std::shared_ptr<detail::thread_job> thread_pool::submit(detail::thread_job::function work) {
    auto job = std::make_shared<detail::thread_job>(std::move(work));
    const auto keep = state_;  // the pool may be gone after a wait
    for (;;) {
        const auto room = std::make_shared<async_result<>>();
        if (keep->add(job, room)) return job;
        try {
            room->get();
        } catch (...) {
            keep->give_up(room);
            throw;
        }
    }
}

std::size_t thread_pool::threads() const { return state_->threads(); }

std::size_t thread_pool::busy() const { return state_->busy(); }

std::size_t thread_pool::waiting() const { return state_->waiting(); }

// Never destroyed: its threads may be at work when the process ends.
thread_pool& default_thread_pool() {
    static auto* const pool = new thread_pool(0, default_size());
    return *pool;
}

}  // namespace ramie
