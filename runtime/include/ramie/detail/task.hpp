// The typed part of a fiber: its callable, arguments and result, built at the top of its stack.
// run() suspends where the callable does; the rest never suspends.
#pragma once

#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "ramie/detail/fiber_core.hpp"

namespace ramie::detail {

// A fiber that may leave a value of type R behind.
template <class R>
struct result_core : fiber_core {
    using fiber_core::fiber_core;
    std::optional<R> result;
};
template <>
struct result_core<void> : fiber_core {
    using fiber_core::fiber_core;
};

template <class R, class F, class... Args>
struct task final : result_core<R> {
    // Decays the callable and its arguments into the task, as std::thread does.
    template <class G, class... Bs>
    explicit task(G&& g, Bs&&... bs)
        : result_core<R>(&table),
          body(std::in_place, std::forward<G>(g), std::forward<Bs>(bs)...) {}

    static task& of(fiber_core& f) noexcept { return static_cast<task&>(f); }

    static void run(fiber_core& f) {
        task& self = of(f);
        // The callable dies before the fiber does: its destructor may still suspend, and a kill
        // must not be thrown out of it.
        struct drop_body {
            task& owner;
            ~drop_body() {
                ++owner.shields;
                owner.body.reset();
                --owner.shields;
            }
        } const drop{self};
        auto call = [](F& function, Args&... args) -> R {
            return std::invoke(std::move(function), std::move(args)...);
        };
        if constexpr (std::is_void_v<R>)
            std::apply(call, *self.body);
        else
            self.result.emplace(std::apply(call, *self.body));
    }
    static void abandon(fiber_core& f) noexcept { of(f).body.reset(); }
    static void drop_result(fiber_core& f) noexcept {
        if constexpr (!std::is_void_v<R>) of(f).result.reset();
    }
    static void destroy(fiber_core& f) noexcept { std::destroy_at(&of(f)); }

    static constexpr fiber_core::operations table{&run, &abandon, &drop_result, &destroy};

    std::optional<std::tuple<F, Args...>> body;
};

// An empty std::function or a null pointer is refused where it is spawned, not where it runs.
template <class F>
void require_callable(const F& f) {
    if constexpr (!std::is_function_v<F> && requires { f == nullptr; }) {
        if (f == nullptr) throw std::invalid_argument("ramie::spawn: the callable is empty");
    }
}

template <class F, class... Args>
using task_result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;

// Builds the fiber; it is not started yet.
template <class F, class... Args>
auto make_task(std::string name, std::size_t stack_size, task_place& place, F&& f, Args&&... args) {
    using R = task_result<F, Args...>;
    static_assert(!std::is_reference_v<R>, "a fiber cannot return a reference");
    using task_type = task<R, std::decay_t<F>, std::decay_t<Args>...>;
    require_callable(f);
    std::unique_ptr<fiber_extras> extras;
    if (!name.empty()) {
        extras = std::make_unique<fiber_extras>();
        extras->name = std::move(name);
    }
    place = allocate_task(sizeof(task_type), alignof(task_type), stack_size);
    task_type* built = nullptr;
    try {
        built = ::new (place.task) task_type(std::forward<F>(f), std::forward<Args>(args)...);
    } catch (...) {
        free_task(place);
        throw;
    }
    built->extras = std::move(extras);
    return static_cast<result_core<R>*>(built);
}

}  // namespace ramie::detail
