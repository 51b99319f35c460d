// A scope that no child outlives.
//
//     auto [a, b] = ramie::with_task_group([](ramie::task_group& tasks) {
//         auto left  = tasks.spawn(fetch, "http://left");
//         auto right = tasks.spawn(fetch, "http://right");
//         return std::pair(left.get(), right.get());
//     });   // both have ended here; if one failed, the other was killed, and its error is thrown
#pragma once

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "ramie/detail/crew.hpp"
#include "ramie/fiber.hpp"

namespace ramie {

// The first child that fails kills the others, and breaks the wait of the fiber that made the group
// with its exception. A child that is killed, or ends by fiber_exit, has not failed.
class task_group final : private detail::interrupt {
  public:
    // For the calling fiber, which has to end it. Never suspends.
    task_group();

    // Kills the children that are left and waits for their ends, whatever is thrown at the calling
    // fiber meanwhile. Suspends the calling fiber.
    ~task_group();
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    // A child, also of a child; once one has failed it is killed before its start. Never suspends.
    template <class F, class... Args>
    auto spawn(F&& f, Args&&... args) {
        return detail::spawn_member(
            detail::vacancy(crew_, true),
            [this, f = std::decay_t<F>(std::forward<F>(f))](auto&&... each) mutable {
                try {
                    return std::invoke(std::move(f), std::forward<decltype(each)>(each)...);
                } catch (const fiber_exit&) {
                    throw;
                } catch (...) {
                    fail(std::current_exception());
                    throw;
                }
            },
            std::forward<Args>(args)...);
    }

    // Waits until all children have ended, and throws what the first that failed threw; false at
    // the deadline. Suspends the calling fiber.
    bool join(deadline until = {});

    // Kills the children. Never suspends.
    void cancel();

    // How many children are left. Never suspends.
    [[nodiscard]] std::size_t size() const noexcept { return crew_->members.size(); }

  private:
    [[noreturn]] void raise() override;
    [[nodiscard]] int error_number() const noexcept override { return ECANCELED; }
    void fail(std::exception_ptr) noexcept;

    std::shared_ptr<detail::crew> crew_;
    detail::fiber_core& owner_;
    std::exception_ptr error_;
    bool cancelled_ = false;
    bool joining_ = false;
};

// `f(tasks)` in a scope of its own; waits for the children and returns what it returned. Throws
// what `f` threw, or what the first child that failed threw, after all have ended. Suspends the
// calling fiber.
template <class F>
auto with_task_group(F&& f) {
    task_group tasks;
    if constexpr (std::is_void_v<std::invoke_result_t<F, task_group&>>) {
        std::forward<F>(f)(tasks);
        tasks.join();
    } else {
        auto result = std::forward<F>(f)(tasks);
        tasks.join();
        return result;
    }
}

}  // namespace ramie
