#include "ramie/thread_pool.hpp"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "context.hpp"
#include "ramie/detail/thread_lock.hpp"

namespace ramie {

namespace {

std::size_t default_size() {
    const char* text = std::getenv("RAMIE_THREADS");
    const std::size_t asked = text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
    return asked == 0 ? 10 : asked;
}

}  // namespace

class thread_pool::state : public std::enable_shared_from_this<state> {
  public:
    state(std::size_t min, std::size_t max, std::size_t bound, std::chrono::nanoseconds patience)
        : min_(min), max_(max), bound_(bound), patience_(patience) {}

    // Without threads and without work.
    [[nodiscard]] std::shared_ptr<state> made_anew() const {
        return std::make_shared<state>(min_, max_, bound_, patience_);
    }

    // False when there is no room.
    using job_pointer = std::shared_ptr<detail::thread_job>;
    bool try_add(const job_pointer& job) {
        const std::lock_guard guard(mutex_);
        if (jobs_.size() >= bound_) return false;
        queue(job);
        return true;
    }

    // False when there is no room yet: `in` is set when the work is taken in, or dropped.
    bool add(const job_pointer& job, const async_result<>& in) {
        const std::lock_guard guard(mutex_);
        if (jobs_.size() >= bound_) {
            outside_.push_back({job, in});
            return false;
        }
        queue(job);
        return true;
    }

    [[nodiscard]] bool is_own_thread() const noexcept { return working_for == this; }

    void take_back(const job_pointer& job) {
        {
            const std::lock_guard guard(mutex_);
            std::erase_if(outside_, [&](const applicant& each) { return each.job == job; });
        }
        job->revoke();
    }

    void stop() {
        std::vector<std::thread> all;
        std::deque<job_pointer> dropped;
        {
            const std::lock_guard guard(mutex_);
            stopping_ = true;
            all.swap(threads_);
            dropped.swap(jobs_);
            for (applicant& each : outside_) {
                dropped.push_back(each.job);
                each.in.set();
            }
            outside_.clear();
            news_.notify_all();
        }
        for (const auto& each : dropped) each->revoke();
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
    struct applicant {
        job_pointer job;
        async_result<> in;
    };

    void queue(job_pointer job) {
        jobs_.push_back(std::move(job));
        if (wants_thread(idle_)) start_thread_or_drop();
        news_.notify_one();
    }

    // Each starts the next one: to start many takes too long for a loop that hands over much work.
    [[nodiscard]] bool wants_thread(std::size_t takers) const {
        return jobs_.size() > takers && threads_.size() < max_ && !starting_;
    }

    // Work that was refused must not be done later; as long as there is a thread, it waits.
    void start_thread_or_drop() {
        try {
            threads_.emplace_back([self = shared_from_this()] { self->work(); });
            starting_ = true;
        } catch (...) {
            if (!threads_.empty()) return;
            jobs_.pop_back();
            throw;
        }
    }

    void work() {
        working_for = this;
        note_started();
        while (auto job = next()) {
            job->run();
            job.reset();
            const std::lock_guard guard(mutex_);
            --busy_;
        }
    }

    void note_started() {
        const std::lock_guard guard(mutex_);
        starting_ = false;
        const std::size_t idle_and_this = idle_ + 1;
        if (!stopping_ && wants_thread(idle_and_this)) start_thread_or_drop();
    }

    // Null: the thread is to end.
    job_pointer next() {
        std::unique_lock lock(mutex_);
        while (jobs_.empty()) {
            if (stopping_) return nullptr;
            ++idle_;
            const auto news = news_.wait_for(lock, patience_);
            --idle_;
            if (news == std::cv_status::timeout && jobs_.empty() && retire()) return nullptr;
        }
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        ++busy_;
        if (!outside_.empty()) let_in_first();
        return job;
    }

    // The room is never free while somebody waits for it: nobody can come first.
    void let_in_first() {
        queue(std::move(outside_.front().job));
        outside_.front().in.set();
        outside_.pop_front();
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

    static inline constinit thread_local const state* working_for = nullptr;

    const std::size_t min_, max_, bound_;
    const std::chrono::nanoseconds patience_;
    std::mutex mutex_;
    std::condition_variable news_;
    std::deque<job_pointer> jobs_;
    std::deque<applicant> outside_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    std::size_t busy_ = 0;
    bool stopping_ = false;
    bool starting_ = false;  // a thread that has not begun yet
};

// The pools of the process. A forked child has none of their threads, and the work that waited was
// that of the parent's fibers: every pool begins anew there.
class thread_pool::registry {
  public:
    static registry& get() {
        static auto* const only = new registry;
        return *only;
    }
    void add(thread_pool& pool) {
        const std::lock_guard guard(mutex_);
        pools_.insert(&pool);
    }
    void remove(thread_pool& pool) {
        const std::lock_guard guard(mutex_);
        pools_.erase(&pool);
    }

  private:
    registry() {
        pthread_atfork([] { get().mutex_.lock(); }, [] { get().mutex_.unlock(); },
                       [] { get().begin_anew(); });
    }

    // What the threads of the parent used is left as it was: a lock may be held for ever.
    void begin_anew() {
        for (thread_pool* each : pools_) {
            auto* const parents = new std::shared_ptr<state>(each->state_);
            detail::leave_behind(parents);
            each->state_ = (*parents)->made_anew();
        }
        mutex_.unlock();
    }

    detail::thread_lock mutex_;
    std::set<thread_pool*> pools_;
};

thread_pool::thread_pool(std::size_t min, std::size_t max, std::size_t bound,
                         std::chrono::nanoseconds patience)
    : state_(std::make_shared<state>(min, max, bound, patience)) {
    if (min > max || max == 0 || bound == 0)
        throw std::invalid_argument("ramie: a thread_pool wants min <= max, and max and bound > 0");
    registry::get().add(*this);
}

thread_pool::~thread_pool() {
    registry::get().remove(*this);
    state_->stop();
}

std::shared_ptr<detail::thread_job> thread_pool::submit(detail::thread_job::function work) {
    auto job = std::make_shared<detail::thread_job>(std::move(work));
    const auto pool = state_;  // *this may be destroyed while the fiber waits
    if (pool->is_own_thread()) {
        if (!pool->try_add(job)) job->run();
        return job;
    }
    async_result<> in;
    if (pool->add(job, in)) return job;
    try {
        in.wait();
    } catch (...) {
        pool->take_back(job);
        throw;
    }
    return job;
}

bool thread_pool::is_one_of_its_threads() const noexcept { return state_->is_own_thread(); }

std::size_t thread_pool::threads() const { return state_->threads(); }

std::size_t thread_pool::busy() const { return state_->busy(); }

std::size_t thread_pool::waiting() const { return state_->waiting(); }

// Never destroyed: its threads may be at work when the process ends.
thread_pool& default_thread_pool() {
    static auto* const pool = new thread_pool(0, default_size());
    return *pool;
}

}  // namespace ramie
