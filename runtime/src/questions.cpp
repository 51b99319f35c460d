#include "ramie/detail/questions.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "context.hpp"
#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/thread_reply.hpp"
#include "ramie/resolver.hpp"
#include "ramie/thread_pool.hpp"

namespace ramie::detail {

namespace {

constexpr wait_kind an_answer{"an answer of the resolver", outside::another_thread};

using steady = std::chrono::steady_clock;
using reply = std::shared_ptr<thread_reply>;

// A handler is not to run on the resolver's threads. And a loop that asks many questions at once
// wakes a thread with each: as batch work they do not take the CPU away from it.
void stay_in_the_background() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    const sched_param no_priority{};
    if (sched_getscheduler(0) == SCHED_OTHER) sched_setscheduler(0, SCHED_BATCH, &no_priority);
}

void prepare_thread() noexcept {
    static thread_local bool prepared = false;
    if (!std::exchange(prepared, true)) stay_in_the_background();
}

struct question {
    bool begun = false;
    answer_pointer answer;
    std::vector<reply> askers;
    std::shared_ptr<thread_job> job;
};

class resolver {
  public:
    static resolver& get() {
        static const int registered =
            pthread_atfork([] { current()->mutex_.lock(); }, [] { current()->mutex_.unlock(); },
                           [] { begin_anew(); });
        static_cast<void>(registered);
        return *current();
    }

    void configure(const resolver_options& options) {
        if (options.threads == 0)
            throw std::invalid_argument("ramie: a resolver without threads answers nothing");
        const std::lock_guard guard(mutex_);
        options_ = options;
        kept_.clear();
    }

    resolver_figures figures() {
        const std::lock_guard guard(mutex_);
        return figures_;
    }

    asked ask(const std::string& key, std::function<answer_pointer()> find, deadline until) {
        const reply mine = std::make_shared<thread_reply>();
        bool is_first = false;
        std::shared_ptr<question> asked_now;
        {
            const std::lock_guard guard(mutex_);
            if (answer_pointer known = find_kept(key)) return {std::move(known), wake::granted};
            asked_now = join(key, mine, is_first);
            until = limited(until);
        }
        if (is_first) begin(key, asked_now, std::move(find));
        const wake reason = mine->wait(an_answer, until);
        const std::lock_guard guard(mutex_);
        if (reason != wake::granted) leave(key, *asked_now, mine);
        return {reason == wake::granted ? asked_now->answer : nullptr, reason};
    }

    thread_pool& threads() {
        std::size_t count;
        {
            const std::lock_guard guard(mutex_);
            if (threads_ != nullptr) return *threads_;
            count = options_.threads;
        }
        // Without the lock: a pool takes one of its own, which a fork takes the other way around.
        auto made = std::make_unique<thread_pool>(0, count);
        const std::lock_guard guard(mutex_);
        if (threads_ == nullptr) threads_.swap(made);
        return *threads_;
    }

  private:
    struct kept_answer {
        answer_pointer answer;
        steady::time_point until;
    };

    static resolver*& current() {
        static resolver* of_this_process = new resolver;
        return of_this_process;
    }

    // The parent's threads, and those who ask them, are not here.
    static void begin_anew() {
        resolver* const parents = current();
        leave_behind(parents);
        current() = new resolver;
        current()->options_ = parents->options_;
    }

    std::shared_ptr<question> join(const std::string& key, const reply& asker, bool& is_first) {
        auto& place = in_flight_[key];
        is_first = place == nullptr;
        if (is_first)
            place = std::make_shared<question>();
        else
            ++figures_.shared;
        place->askers.push_back(asker);
        return place;
    }

    [[nodiscard]] deadline limited(deadline until) const {
        if (options_.limit.count() <= 0) return until;
        const deadline limit(options_.limit);
        return until.is_never() || limit.nanoseconds() < until.nanoseconds() ? limit : until;
    }

    void begin(const std::string& key, const std::shared_ptr<question>& q,
               std::function<answer_pointer()> find) {
        try {
            auto job = threads().submit([this, key, q, find = std::move(find)] {
                prepare_thread();
                note_begun(*q);
                answer_pointer answer;
                try {
                    answer = find();
                } catch (...) {  // no memory: they hear of it by its absence
                }
                finish(key, *q, std::move(answer));
            });
            const std::lock_guard guard(mutex_);
            q->job = std::move(job);
        } catch (...) {
            finish(key, *q, nullptr);
        }
    }

    void note_begun(question& q) {
        const std::lock_guard guard(mutex_);
        q.begun = true;
        ++figures_.lookups;
        ++figures_.under_way;
    }

    void finish(const std::string& key, question& q, answer_pointer answer) {
        std::vector<reply> askers;
        {
            const std::lock_guard guard(mutex_);
            forget(key, q);
            if (q.begun) --figures_.under_way;
            if (answer != nullptr) keep(key, answer);
            q.answer = std::move(answer);
            askers.swap(q.askers);
        }
        for (const reply& each : askers) each->tell();
    }

    // What nobody wants to know any more is not looked up, unless that has begun: then it may still
    // answer somebody who asks meanwhile.
    void leave(const std::string& key, question& q, const reply& asker) {
        ++figures_.left;
        std::erase(q.askers, asker);
        if (!q.askers.empty() || q.begun || q.job == nullptr) return;
        q.job->revoke();
        forget(key, q);
    }

    // Its key may be another's by now.
    void forget(const std::string& key, const question& q) {
        const auto found = in_flight_.find(key);
        if (found != in_flight_.end() && found->second.get() == &q) in_flight_.erase(found);
    }

    answer_pointer find_kept(const std::string& key) {
        const auto found = kept_.find(key);
        if (found == kept_.end() || found->second.until < steady::now()) return nullptr;
        ++figures_.reused;
        return found->second.answer;
    }

    void keep(const std::string& key, const answer_pointer& answer) {
        using enum answer_base::worth;
        if (answer->kept_as == nothing) return;
        const auto time = answer->kept_as == a_success ? options_.keep : options_.keep_failures;
        if (time.count() <= 0 || options_.kept == 0) return;
        if (kept_.size() >= options_.kept) make_room();
        kept_[key] = {answer, steady::now() + time};
    }

    void make_room() {
        const auto now = steady::now();
        std::erase_if(kept_, [now](const auto& each) { return each.second.until < now; });
        if (kept_.size() < options_.kept) return;
        kept_.erase(std::ranges::min_element(kept_, {},
                                             [](const auto& each) { return each.second.until; }));
    }

    std::mutex mutex_;
    resolver_options options_;
    resolver_figures figures_;
    std::map<std::string, std::shared_ptr<question>> in_flight_;
    std::map<std::string, kept_answer> kept_;
    std::unique_ptr<thread_pool> threads_;
};

}  // namespace

asked ask(const std::string& key, std::function<answer_pointer()> find, deadline until) {
    return resolver::get().ask(key, std::move(find), until);
}

void work_on_thread(std::function<void()> work) {
    const reply done = std::make_shared<thread_reply>();
    resolver::get().threads().submit([work = std::move(work), done] {
        prepare_thread();
        work();
        done->tell();
    });
    fiber_core& self = *current_fiber;
    ++self.shields;
    done->wait(an_answer, deadline::never());
    --self.shields;
}

}  // namespace ramie::detail

namespace ramie {

void configure_resolver(const resolver_options& options) {
    detail::resolver::get().configure(options);
}

resolver_figures resolver_counters() { return detail::resolver::get().figures(); }

}  // namespace ramie
