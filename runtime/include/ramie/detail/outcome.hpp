// What work came to, kept for somebody else to take. Suspends where the work does.
#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "ramie/errors.hpp"

namespace ramie::detail {

// What whoever asks for the work of a killed fiber is told.
inline std::exception_ptr killed_work() {
    return std::make_exception_ptr(
        future_cancelled("ramie: the fiber that did the work was killed"));
}

// Calls `f()` and then `keep(result)`, or `keep()` when there is none; `fail(error)` when one of
// them throws. A kill is the end of the fiber that it was thrown at and must not end the one that
// asks, who is told that the work was cancelled. It goes on, as does the end of the program, which
// is the business of the main fiber.
template <class F, class Keep, class Fail>
void call_and_keep(F& f, Keep keep, Fail fail) {
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<F&>>) {
            f();
            keep();
        } else {
            keep(f());
        }
    } catch (const fiber_exit&) {
        fail(killed_work());
        throw;
    } catch (const system_exit&) {
        fail(std::current_exception());
        throw;
    } catch (...) {
        fail(std::current_exception());
    }
}

// A value, or an exception, or nothing yet.
template <class R>
class outcome {
  public:
    // Keeps what `f()` returns or throws.
    template <class F>
    void keep(F f) {
        call_and_keep(
            f, [this](auto&&... result) { value_.emplace(std::move(result)...); },
            [this](std::exception_ptr error) { fail(std::move(error)); });
    }
    void fail(std::exception_ptr error) noexcept { error_ = std::move(error); }

    [[nodiscard]] bool is_known() const noexcept { return value_.has_value() || error_ != nullptr; }

    // The value, moved out, or throws what is kept.
    R take() {
        if (error_ != nullptr) std::rethrow_exception(std::move(error_));
        if constexpr (!std::is_void_v<R>) return std::move(*value_);
    }

  private:
    std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value_;
    std::exception_ptr error_;
};

// What `next()` returns in `count` calls: a vector, or nothing.
template <class R, class Next>
auto collect(std::size_t count, Next next) {
    if constexpr (std::is_void_v<R>) {
        for (; count != 0; --count) next();
    } else {
        std::vector<R> all;
        all.reserve(count);
        for (; count != 0; --count) all.push_back(next());
        return all;
    }
}

}  // namespace ramie::detail
