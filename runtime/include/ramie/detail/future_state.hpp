// What the futures of <ramie/executor.hpp> share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "ramie/async_result.hpp"
#include "ramie/deadline.hpp"
#include "ramie/detail/outcome.hpp"

namespace ramie {
namespace detail {

// Callable from any thread, except for the waits, which suspend the calling fiber.
class future_state : public std::enable_shared_from_this<future_state> {
  public:
    using callback_id = std::uint64_t;

    bool cancel();
    bool begin();
    void finish(std::exception_ptr error);
    // At once if it is done. What `f` throws is reported.
    callback_id when_done(std::function<void()> f);
    void forget(callback_id) noexcept;
    bool wait(deadline until);
    void wait_for_value(deadline until);
    [[nodiscard]] bool done() const;
    [[nodiscard]] bool cancelled() const;
    [[nodiscard]] std::exception_ptr error() const;
    // It threw; to be cancelled is no failure.
    [[nodiscard]] bool failed() const;
    // How many callbacks wait for the end.
    [[nodiscard]] std::size_t callbacks() const;

  private:
    enum class stage : std::uint8_t { pending, running, done, cancelled };
    struct callback {
        callback_id id;
        std::function<void()> f;
    };
    bool end(stage from, stage how, std::exception_ptr);

    mutable thread_lock mutex_;  // held for a few instructions, never across a suspension
    stage stage_ = stage::pending;
    std::exception_ptr error_;
    std::vector<callback> callbacks_;
    callback_id next_id_ = 1;
};

// A callback that is forgotten with its scope: waits that time out leave nothing behind.
class done_watch {
  public:
    done_watch(std::shared_ptr<future_state> state, std::function<void()> f)
        : state_(std::move(state)), id_(state_->when_done(std::move(f))) {}
    done_watch(done_watch&&) noexcept = default;
    done_watch& operator=(done_watch&&) = delete;
    ~done_watch() {
        if (state_ != nullptr) state_->forget(id_);
    }

  private:
    std::shared_ptr<future_state> state_;
    future_state::callback_id id_;
};

template <class R>
class future_value final : public future_state {
  public:
    // Calls `f` unless it was cancelled.
    template <class F>
    void run(F& f) {
        if (!begin()) return;
        call_and_keep(
            f,
            [this](auto&&... result) {
                value.emplace(std::move(result)...);
                finish(nullptr);
            },
            [this](std::exception_ptr error) { finish(std::move(error)); });
    }
    std::optional<std::conditional_t<std::is_void_v<R>, char, R>> value;
};

// The work of a future. Dropped before it was run, it cancels the future.
template <class R, class F>
class future_work {
  public:
    future_work(std::shared_ptr<future_value<R>> state, F f)
        : state_(std::move(state)), f_(std::move(f)) {}
    future_work(future_work&&) noexcept(std::is_nothrow_move_constructible_v<F>) = default;
    future_work& operator=(future_work&&) = delete;
    ~future_work() {
        if (state_ != nullptr) state_->cancel();
    }
    void operator()() { std::exchange(state_, nullptr)->run(f_); }

  private:
    std::shared_ptr<future_value<R>> state_;
    F f_;
};

// Which of several futures are done, in the order in which they come to it. For the fibers of the
// thread that made it.
class completions {
  public:
    explicit completions(const std::vector<std::shared_ptr<future_state>>& all);

    // The number of one more; nothing at the deadline. Suspends the calling fiber.
    std::optional<std::size_t> next(deadline until);

  private:
    struct order;
    std::shared_ptr<order> order_;
    std::vector<done_watch> watches_;
};

}  // namespace detail
}  // namespace ramie
