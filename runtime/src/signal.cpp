#include "ramie/signal.hpp"

#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "cancellable_call.hpp"
#include "ramie/wait_fd.hpp"
#include "signal_receiver.hpp"

namespace ramie {

signal_set::signal_set(std::initializer_list<int> signals)
    : receiver_(std::make_unique<detail::signal_receiver>(signals)) {}

signal_set::~signal_set() = default;

void signal_set::close() noexcept { receiver_->close(); }

std::optional<int> signal_set::wait(deadline until) {
    for (;;) {
        arrived_ |= receiver_->take();
        if (arrived_ != 0) {
            const int lowest = std::countr_zero(arrived_) + 1;
            arrived_ &= arrived_ - 1;
            return lowest;
        }
        if (!wait_readable(receiver_->descriptor(), until)) return std::nullopt;
    }
}

std::uint64_t signal_set::end() noexcept { return std::exchange(arrived_, 0) | receiver_->close(); }

std::optional<int> wait_signal(std::initializer_list<int> signals, deadline until) {
    signal_set all(signals);
    all.arrived_ = detail::kept_signals & all.receiver_->wanted();
    detail::kept_signals &= ~all.arrived_;
    // However the wait ends: one that is killed returns none.
    struct rest_is_kept {
        explicit rest_is_kept(signal_set& s) : set(s) {}
        ~rest_is_kept() { detail::kept_signals |= set.end(); }
        rest_is_kept(const rest_is_kept&) = delete;
        rest_is_kept& operator=(const rest_is_kept&) = delete;
        signal_set& set;
    } const guard(all);
    return all.wait(until);
}

// --- on_signal ---------------------------------------------------------------------------------

struct signal_subscription::state {
    state(int signal, std::function<void()> f) : call(std::move(f)), signals{signal} {}
    detail::cancellable_call call;
    signal_set signals;
};

// The body of the fiber. However that ends, the signal has its old effect then.
struct signal_subscription::listener {
    explicit listener(std::shared_ptr<state> s) : self(std::move(s)) {}
    listener(listener&&) = default;
    listener& operator=(listener&&) = delete;
    ~listener() {
        if (self != nullptr) self->signals.close();
    }
    void operator()() const {
        while (!self->call.cancelled) {
            self->signals.wait();
            self->call.make("a handler of on_signal");
        }
    }
    std::shared_ptr<state> self;
};

namespace {

std::string fiber_name(int signal) {
    const char* const name = sigabbrev_np(signal);  // null: a real-time signal
    return name == nullptr ? "on signal " + std::to_string(signal) : std::string("on SIG") + name;
}

}  // namespace

signal_subscription::signal_subscription(int signal, std::function<void()> f)
    : state_(std::make_shared<state>(signal, std::move(f))),
      runner_(spawn({.name = fiber_name(signal)}, listener(state_))) {}

void signal_subscription::cancel() noexcept {
    if (state_ == nullptr) return;
    state_->signals.close();
    state_->call.cancel(runner_);
}

bool signal_subscription::active() const noexcept {
    return state_ != nullptr && state_->call.active(runner_);
}

signal_subscription on_signal(int signal, std::function<void()> f) {
    return {signal, std::move(f)};
}

}  // namespace ramie
