// Who in the process wants which signals, and what their handler does with one that arrives.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>

namespace ramie::detail {

using signal_mask = std::uint64_t;  // bit n - 1 is signal n

class signal_receiver {
  public:
    // Throws std::invalid_argument, std::system_error.
    explicit signal_receiver(std::initializer_list<int> signals);
    ~signal_receiver();
    signal_receiver(const signal_receiver&) = delete;
    signal_receiver& operator=(const signal_receiver&) = delete;

    // Becomes readable when a signal has arrived.
    [[nodiscard]] int descriptor() const noexcept { return event_fd_; }

    // Those that have arrived since the last call.
    signal_mask take() noexcept;

    // None arrives any more. Those that nobody else wants have their old effect again. Returns what
    // has arrived since the last take(). Callable from any thread.
    signal_mask close() noexcept;

    // None after close().
    [[nodiscard]] signal_mask wanted() const noexcept;

  private:
    struct slot;
    struct registry;
    static slot* free_slot(registry&);

    int event_fd_;
    slot* slot_;
    std::uint32_t generation_;  // of the slot, while it is ours
};

// What the calls of wait_signal() on this thread were told and have not returned yet.
extern constinit thread_local signal_mask kept_signals;

}  // namespace ramie::detail
