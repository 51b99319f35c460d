// Any Asio operation, and any library built on Asio, in blocking style.
//
//     boost::asio::ip::tcp::resolver resolver(ramie::this_io_context());
//     auto found = resolver.async_resolve("localhost", "80", ramie::use_fiber);
//     boost::asio::steady_timer timer(ramie::this_io_context(), 5s);
//     timer.async_wait(ramie::use_fiber);        // the other fibers go on
//
// The only public header that includes Asio. A program that includes it must be compiled with
// BOOST_ASIO_SEPARATE_COMPILATION, which the target ramie::runtime brings along.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "ramie/detail/fiber_core.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie {

// The io_context that the calling thread's scheduler runs. Its handlers run on the loop and must
// not suspend. Never call run() on it. Never suspends.
boost::asio::io_context& this_io_context();

// Completion token: an operation that is started with it returns when it has completed, and what
// the handler would get, without the error code, which is thrown as std::system_error. A kill or a
// timeout cancels the operation, waits for its end, and is thrown then. Suspends the calling fiber.
struct use_fiber_t {};
inline constexpr use_fiber_t use_fiber{};

namespace detail {

struct asio_wait {
    // Throws std::logic_error on the loop itself, where nothing may wait.
    asio_wait();
    // True when the wait was interrupted (and the operation cancelled). Suspends the calling fiber.
    bool wait(boost::asio::cancellation_signal&);
    void finish() noexcept;

    bool done = false;

  private:
    void wait_out();
    wait_queue waiting;
};

template <class... Values>
struct asio_state : asio_wait {
    std::optional<std::tuple<Values...>> values;
};

// Nothing, one value, or a tuple of them.
template <class... Values>
auto unpack(std::tuple<Values...>&& values) {
    if constexpr (sizeof...(Values) == 1)
        return std::get<0>(std::move(values));
    else if constexpr (sizeof...(Values) > 1)
        return std::move(values);
}
template <class... Values>
auto unpack_checked(std::tuple<boost::system::error_code, Values...>&& values) {
    const boost::system::error_code error = std::get<0>(values);
    if (error) throw std::system_error(error, "asynchronous operation");
    return std::apply(
        [](auto&, auto&... rest) { return unpack(std::tuple<Values...>(std::move(rest)...)); },
        values);
}

template <class First, class... Rest>
inline constexpr bool starts_with_error = std::is_same_v<First, boost::system::error_code>;

template <class... Args, class Initiation, class... InitArgs>
auto run_operation(Initiation&& initiate, InitArgs&&... init_args) {
    asio_state<std::decay_t<Args>...> state;
    boost::asio::cancellation_signal cancel;
    auto handler = [&state](auto&&... results) {
        state.values.emplace(std::forward<decltype(results)>(results)...);
        state.finish();
    };
    std::forward<Initiation>(initiate)(
        boost::asio::bind_cancellation_slot(cancel.slot(), std::move(handler)),
        std::forward<InitArgs>(init_args)...);
    if (state.wait(cancel)) raise_interrupt();
    return std::move(*state.values);
}

}  // namespace detail

}  // namespace ramie

template <class... Args>
class boost::asio::async_result<ramie::use_fiber_t, void(Args...)> {
  public:
    // What Asio calls for an operation with the token. Suspends the calling fiber.
    template <class Initiation, class... InitArgs>
    static auto initiate(Initiation&& initiation, ramie::use_fiber_t, InitArgs&&... init_args) {
        auto values = ramie::detail::run_operation<Args...>(std::forward<Initiation>(initiation),
                                                            std::forward<InitArgs>(init_args)...);
        if constexpr (sizeof...(Args) == 0) {
            return;
        } else if constexpr (ramie::detail::starts_with_error<std::decay_t<Args>...>) {
            return ramie::detail::unpack_checked(std::move(values));
        } else {
            return ramie::detail::unpack(std::move(values));
        }
    }
};
