#include "ramie/executor.hpp"

#include <algorithm>
#include <deque>
#include <stdexcept>

#include "diagnostics.hpp"
#include "ramie/pool.hpp"

namespace ramie {

namespace detail {

namespace {

void call(const std::function<void()>& done_callback) {
    try {
        done_callback();
    } catch (...) {
        report_unhandled("a callback of a future", std::current_exception());
    }
}

}  // namespace

bool future_state::begin() {
    const std::lock_guard guard(mutex_);
    if (stage_ != stage::pending) return false;
    stage_ = stage::running;
    return true;
}

// True when it ends, or has ended, like that. In one step: nobody sees a cancelled one run.
bool future_state::end(stage from, stage how, std::exception_ptr error) {
    std::vector<callback> callbacks;
    {
        const std::lock_guard guard(mutex_);
        if (stage_ != from) return stage_ == how;
        stage_ = how;
        error_ = std::move(error);
        callbacks.swap(callbacks_);
    }
    for (auto& each : callbacks) call(each.f);
    return true;
}

bool future_state::cancel() {
    return end(stage::pending, stage::cancelled, std::make_exception_ptr(future_cancelled()));
}

void future_state::finish(std::exception_ptr error) {
    end(stage::running, stage::done, std::move(error));
}

future_state::callback_id future_state::when_done(std::function<void()> f) {
    {
        const std::lock_guard guard(mutex_);
        if (stage_ == stage::pending || stage_ == stage::running) {
            callbacks_.push_back({next_id_, std::move(f)});
            return next_id_++;
        }
    }
    call(f);
    return 0;
}

void future_state::forget(callback_id id) noexcept {
    const std::lock_guard guard(mutex_);
    std::erase_if(callbacks_, [id](const callback& each) { return each.id == id; });
}

bool future_state::wait(deadline until) {
    if (done()) return true;
    async_result<> told;
    const done_watch watch(shared_from_this(), [told]() mutable { told.set(); });
    return told.wait(until);
}

void future_state::wait_for_value(deadline until) {
    if (!wait(until)) throw timeout_expired("future::get");
    if (const auto failure = error()) std::rethrow_exception(failure);
}

bool future_state::done() const {
    const std::lock_guard guard(mutex_);
    return stage_ == stage::done || stage_ == stage::cancelled;
}

bool future_state::cancelled() const {
    const std::lock_guard guard(mutex_);
    return stage_ == stage::cancelled;
}

std::exception_ptr future_state::error() const {
    const std::lock_guard guard(mutex_);
    return error_;
}

std::size_t future_state::callbacks() const {
    const std::lock_guard guard(mutex_);
    return callbacks_.size();
}

bool future_state::failed() const {
    const std::lock_guard guard(mutex_);
    return stage_ == stage::done && error_ != nullptr;
}

// --- several -----------------------------------------------------------------------------------

struct completions::order {
    thread_lock mutex;  // held for a few instructions, never across a suspension
    std::deque<std::size_t> done;
    std::optional<async_result<>> awaited;

    void add(std::size_t number) {
        std::optional<async_result<>> told;
        {
            const std::lock_guard guard(mutex);
            done.push_back(number);
            told.swap(awaited);
        }
        if (told) told->set();
    }
    // Nothing: `news` is set when there is one.
    std::optional<std::size_t> take_or_tell(const async_result<>& news) {
        const std::lock_guard guard(mutex);
        if (done.empty()) {
            awaited = news;
            return std::nullopt;
        }
        const std::size_t first = done.front();
        done.pop_front();
        return first;
    }
};

completions::completions(const std::vector<std::shared_ptr<future_state>>& all)
    : order_(std::make_shared<order>()) {
    watches_.reserve(all.size());
    for (std::size_t i = 0; i != all.size(); ++i)
        watches_.emplace_back(all[i], [to = order_, i] { to->add(i); });
}

std::optional<std::size_t> completions::next(deadline until) {
    for (;;) {
        async_result<> news;
        if (const auto first = order_->take_or_tell(news)) return first;
        if (!news.wait(until)) return std::nullopt;
    }
}

void wait_for(const std::vector<std::shared_ptr<future_state>>& all, wait_until enough,
              deadline until) {
    completions done(all);
    for (std::size_t left = all.size(); left != 0; --left) {
        const auto one = done.next(until);
        if (!one || enough == wait_until::first_completed) return;
        if (enough == wait_until::first_exception && all[*one]->failed()) return;
    }
}

}  // namespace detail

void executor::keep(std::shared_ptr<detail::future_state> state) {
    const std::lock_guard guard(mutex_);
    if (shut_) throw std::logic_error("ramie: submit() to an executor that was shut down");
    // Now and then, so that each costs little.
    if (unfinished_.size() == unfinished_.capacity())
        std::erase_if(unfinished_, [](const auto& each) { return each->done(); });
    unfinished_.push_back(std::move(state));
}

bool executor::shutdown(bool wait, bool cancel_pending, deadline until) {
    std::vector<std::shared_ptr<detail::future_state>> left;
    {
        const std::lock_guard guard(mutex_);
        shut_ = true;
        left = unfinished_;
    }
    if (cancel_pending)
        for (const auto& each : left) each->cancel();
    return !wait ||
           std::ranges::all_of(left, [until](const auto& each) { return each->wait(until); });
}

// --- fibers ------------------------------------------------------------------------------------

// Work that waits is kept as what it is, until there is a slot for the fiber that does it.
class fiber_executor::line : public std::enable_shared_from_this<line> {
  public:
    using work = detail::thread_job::function;

    explicit line(std::size_t limit) : workers_(limit) {}

    void add(work w) {
        if (!is_fed_ && !workers_.full()) {
            workers_.spawn(std::move(w));
            return;
        }
        if (!is_fed_) {
            spawn([self = shared_from_this()] { self->feed(); });
            is_fed_ = true;
        }
        waiting_.push_back(std::move(w));
    }

  private:
    void feed() {
        struct finally {
            ~finally() {
                all.is_fed_ = false;
                all.waiting_.clear();  // of one that was killed
            }
            line& all;
        } const guard{*this};
        while (!waiting_.empty()) {
            workers_.wait_available();
            workers_.spawn(std::move(waiting_.front()));
            waiting_.pop_front();
        }
    }

    pool workers_;
    std::deque<work> waiting_;
    bool is_fed_ = false;
};

fiber_executor::fiber_executor(std::size_t limit) : line_(std::make_shared<line>(limit)) {}

void fiber_executor::execute(detail::thread_job::function work) { line_->add(std::move(work)); }

}  // namespace ramie
