#include "supervised_run.hpp"

#include <chrono>
#include <exception>
#include <optional>

#include "diagnostics.hpp"
#include "fresh_scheduler.hpp"

namespace ramie::testing::detail {

namespace {

using namespace std::chrono_literals;
using ramie::detail::describe_exception;
using ramie::detail::scheduler;

// How many stacks are out: asked again when the scheduler has ended, which has one of its own.
class stack_use {
  public:
    stack_use() : pool_(&scheduler::get().stacks()), before_(pool_->stats().in_use - 1) {}
    [[nodiscard]] std::size_t more() const noexcept { return pool_->stats().in_use - before_; }

  private:
    ramie::detail::stack_pool* pool_;
    std::size_t before_;
};

class supervised_run final : ramie::detail::unhandled_sink {
  public:
    explicit supervised_run(ramie::detail::schedule_hook& hook) : mine_(scheduler::get()) {
        mine_.running = true;
        mine_.set_hook(&hook);
        ramie::detail::current_unhandled_sink = this;
    }
    ~supervised_run() { ramie::detail::current_unhandled_sink = outer_; }
    supervised_run(const supervised_run&) = delete;
    supervised_run& operator=(const supervised_run&) = delete;

    void call(const std::function<void()>& model) {
        try {
            model();
        } catch (const fiber_exit&) {
        } catch (...) {
            note(describe_exception(std::current_exception()));
        }
    }

    void end() {
        if (!mine_.shut_down(deadline(10s)))
            note("these fibers did not end when they were killed:\n" + mine_.describe_fibers());
    }

    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  private:
    void take(const std::string& where, const std::exception_ptr& error) override {
        note(describe_exception(error) + " in " + where);
    }
    void note(const std::string& problem) {
        if (problem_.empty()) problem_ = problem;
    }

    scheduler& mine_;
    ramie::detail::unhandled_sink* outer_ = ramie::detail::current_unhandled_sink;
    std::string problem_;
};

}  // namespace

std::string run_under(ramie::detail::schedule_hook& hook, const std::function<void()>& model) {
    std::string problem;
    std::optional<stack_use> stacks;
    {
        scheduler::fresh own;
        own.use_virtual_time();
        stacks.emplace();
        supervised_run run(hook);
        run.call(model);
        run.end();
        problem = run.problem();
    }
    const std::size_t left = stacks->more();
    if (problem.empty() && left != 0)
        problem = std::to_string(left) + " stacks of ended fibers are held by handles";
    return problem;
}

}  // namespace ramie::testing::detail
