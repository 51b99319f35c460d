#include "asio_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <chrono>

#include "poller.hpp"
#include "scheduler.hpp"

namespace ramie::detail {

asio_loop::asio_loop(poller& p) : poller_(p) { set_.assign(p.descriptor_of_set()); }

asio_loop::~asio_loop() {
    // The set belongs to the poller.
    set_.release();
}

void asio_loop::watch_set() {
    if (std::exchange(watching_, true)) return;
    set_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](const boost::system::error_code&) { watching_ = false; });
}

void asio_loop::poll(std::int64_t timeout_ns) noexcept {
    context_.restart();
    // Without waiting first: most rounds find something.
    run_handlers(false);
    poller_.poll(0);
    if (timeout_ns == 0 || !current_scheduler->ready().empty()) return;
    watch_set();
    if (timeout_ns > 0) {
        alarm_.expires_after(std::chrono::nanoseconds(timeout_ns));
        alarm_.async_wait([](const boost::system::error_code&) {});
    }
    run_handlers(true);
    alarm_.cancel();
    poller_.poll(0);
}

void asio_loop::run_handlers(bool may_wait) {
    for (bool wait = may_wait;; wait = false) {
        try {
            if (wait) context_.run_one();
            context_.poll();
            return;
        } catch (...) {
            current_scheduler->surface("an Asio handler", std::current_exception());
        }
    }
}

bool asio_loop::has_work() {
    // Without our own wait for the set, a context that runs dry has no work.
    if (watching_) set_.cancel();
    alarm_.cancel();
    context_.restart();
    run_handlers(false);
    return !context_.stopped() || !current_scheduler->ready().empty();
}

}  // namespace ramie::detail
