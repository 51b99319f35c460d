// A piece of work for a thread_pool. Never suspends: it runs on a thread.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "ramie/async_result.hpp"
#include "ramie/detail/outcome.hpp"
#include "ramie/errors.hpp"

namespace ramie::detail {

// Begins once, or is revoked once.
class thread_job {
  public:
    // std::function wants copies; what is run once may be movable only.
    class function {
      public:
        template <class F>
        requires(!std::is_same_v<std::decay_t<F>, function>) function(F f)
            : body_(std::make_unique<body<F>>(std::move(f))) {}
        void operator()() { body_->call(); }

      private:
        struct base {
            virtual ~base() = default;
            virtual void call() = 0;
        };
        template <class F>
        struct body final : base {
            explicit body(F g) : f(std::move(g)) {}
            void call() override { f(); }
            F f;
        };
        std::unique_ptr<base> body_;
    };

    explicit thread_job(function work) : work_(std::move(work)) {}

    // What it holds is gone when these return, unless the other one was first. Callable from any
    // thread.
    void revoke() noexcept {
        if (take()) work_.reset();
    }
    // What ends a fiber, or the program, ends no thread: its result says so to who asks for it.
    void run() {
        if (!take()) return;
        try {
            (*work_)();
        } catch (const fiber_exit&) {
        } catch (const system_exit&) {
        }
        work_.reset();
    }

  private:
    bool take() noexcept { return !taken_.exchange(true); }

    std::atomic<bool> taken_ = false;
    std::optional<function> work_;
};

// Work that nobody waits for any more need not begin.
struct revoked_when_left {
    explicit revoked_when_left(std::shared_ptr<thread_job> j) : job(std::move(j)) {}
    ~revoked_when_left() { job->revoke(); }
    revoked_when_left(const revoked_when_left&) = delete;
    revoked_when_left& operator=(const revoked_when_left&) = delete;
    std::shared_ptr<thread_job> job;
};

// Where the result of work goes; says so when the work is dropped instead.
template <class R>
class answer {
  public:
    explicit answer(async_result<R> to) : to_(std::move(to)) {}
    answer(answer&& other) noexcept
        : to_(std::move(other.to_)), given_(std::exchange(other.given_, true)) {}
    answer& operator=(answer&&) = delete;
    ~answer() {
        if (!given_)
            to_.set_exception(std::make_exception_ptr(
                std::logic_error("ramie: the thread_pool was destroyed before this work began")));
    }

    template <class F>
    void call(F& f) {
        given_ = true;
        call_and_keep(
            f, [this](auto&&... result) { to_.set(std::move(result)...); },
            [this](std::exception_ptr error) { to_.set_exception(std::move(error)); });
    }

  private:
    async_result<R> to_;
    bool given_ = false;
};

}  // namespace ramie::detail
