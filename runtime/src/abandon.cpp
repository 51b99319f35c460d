#include "ramie/testing/abandon.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

#include "ramie/errors.hpp"
#include "ramie/fiber.hpp"
#include "ramie/testing/leak_check.hpp"
#include "scheduler.hpp"
#include "supervised_run.hpp"

namespace ramie::testing {

namespace {

using namespace std::chrono_literals;
using ramie::detail::fiber_core;
using ramie::detail::fiber_state;

// Of one run, and of the body in all: one that takes more never ends.
constexpr std::size_t most_switches = 100'000;
constexpr std::size_t most_suspensions = 2'000;

// Interrupts one fiber when it suspends for the `at`th time.
class abandoner final : public detail::schedule {
  public:
    abandoner(std::size_t at, std::exception_ptr error) : left_(at), error_(std::move(error)) {
        limit(most_switches);
    }

    void watch(const fiber_core& f) noexcept { victim_ = f.id; }

    void left(fiber_core& f) noexcept override {
        schedule::left(f);
        if (f.id != victim_ || f.state == fiber_state::finished || left_ == 0 || --left_ != 0)
            return;
        place_ = f.state == fiber_state::parked ? f.waiting->what : "a yield";
        f.owner->kill(f, error_);
    }
    std::uint32_t pick(const ramie::detail::ready_ring&, const fiber_core*) noexcept override {
        return 0;
    }

    // Where it was; null when the body ended before.
    [[nodiscard]] const char* place() const noexcept { return place_; }

  private:
    std::uint64_t victim_ = 0;
    std::size_t left_;
    std::exception_ptr error_;
    const char* place_ = nullptr;
};

void run_body(const std::function<void()>& body, abandoner& hook, const std::exception_ptr& error) {
    const auto victim = spawn({.name = "the body"}, std::cref(body));
    hook.watch(*victim.core());
    victim.join();
    // What it started may go on to its own end.
    this_fiber::sleep_for(24h);
    const auto ended_with = victim.exception();
    if (ended_with != nullptr && ended_with != error) std::rethrow_exception(ended_with);
}

std::string describe(std::size_t at, const char* place, const std::string& problem) {
    const std::string where =
        place == nullptr ? std::string("not abandoned")
                         : "abandoned at suspension " + std::to_string(at) + " (" + place + ")";
    return "ramie::testing: a body that was " + where + " failed: " + problem;
}

// True when the body was abandoned, and not at its end before.
bool abandon_at(std::size_t at, const std::function<void()>& body,
                const std::function<void()>& after, const std::exception_ptr& error) {
    abandoner hook(at, error);
    const std::string problem = detail::run_under(hook, [&] {
        const leak_check leaks;
        run_body(body, hook, error);
        if (after) after();
        leaks.require_none();
    });
    if (!problem.empty()) throw std::runtime_error(describe(at, hook.place(), problem));
    return hook.place() != nullptr;
}

std::size_t abandon_everywhere(const std::function<void()>& body,
                               const std::function<void()>& after,
                               const std::exception_ptr& error) {
    for (std::size_t at = 1; at <= most_suspensions; ++at)
        if (!abandon_at(at, body, after, error)) return at - 1;
    throw std::runtime_error("ramie::testing: a body has more than " +
                             std::to_string(most_suspensions) +
                             " suspensions; make it smaller, or see that it ends");
}

}  // namespace

std::size_t kill_everywhere(const std::function<void()>& body, const std::function<void()>& after) {
    return abandon_everywhere(body, after, nullptr);
}

std::size_t time_out_everywhere(const std::function<void()>& body,
                                const std::function<void()>& after) {
    return abandon_everywhere(body, after,
                              std::make_exception_ptr(timeout_expired("timeout expired")));
}

}  // namespace ramie::testing
