#include "ramie/asio.hpp"

#include "asio_loop.hpp"
#include "scheduler.hpp"

namespace ramie {

boost::asio::io_context& this_io_context() { return detail::scheduler::get().asio().context(); }

namespace detail {

namespace {

constexpr wait_kind an_operation{"an Asio operation", outside::kernel};
constexpr wait_kind a_cancelled_operation{"the end of a cancelled Asio operation", outside::kernel};

}  // namespace

asio_wait::asio_wait() { require_fiber(scheduler::get(), "an Asio operation"); }

bool asio_wait::wait(boost::asio::cancellation_signal& cancel) {
    bool interrupted = false;
    while (!done) {
        const wake reason = waiting.wait(an_operation, this, {});
        if (reason != wake::interrupted || done || current_fiber->interrupts.empty()) continue;
        // The operation may hold buffers on this stack: it must end before the fiber goes on.
        interrupted = true;
        cancel.emit(boost::asio::cancellation_type::all);
        wait_out();
    }
    return interrupted;
}

// Waits on, whatever else interrupts it.
void asio_wait::wait_out() {
    const shielded_scope guard(*current_fiber);
    while (!done) waiting.wait(a_cancelled_operation, this, {});
}

void asio_wait::finish() noexcept {
    done = true;
    waiting.wake_all();
}

}  // namespace detail

}  // namespace ramie
