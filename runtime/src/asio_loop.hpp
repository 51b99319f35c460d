// Asio as a guest: an io_context for user code, made at the first use. From then on the loop blocks
// in Asio, which watches our epoll set beside its own descriptors.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>

namespace ramie::detail {

class poller;

class asio_loop {
  public:
    explicit asio_loop(poller&);
    ~asio_loop();
    asio_loop(const asio_loop&) = delete;
    asio_loop& operator=(const asio_loop&) = delete;

    // Runs Asio's handlers and collects the poller's events; waits for at most `timeout_ns` (0: not
    // at all, negative: for ever).
    void poll(std::int64_t timeout_ns) noexcept;

    // True when an operation of the user is outstanding.
    [[nodiscard]] bool has_work();

    [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }

  private:
    void watch_set();
    void run_handlers(bool may_wait);

    poller& poller_;
    boost::asio::io_context context_{1};
    boost::asio::posix::stream_descriptor set_{context_};
    boost::asio::steady_timer alarm_{context_};
    bool watching_ = false;
};

}  // namespace ramie::detail
