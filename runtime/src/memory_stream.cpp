#include "ramie/testing/memory_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "ramie/detail/fiber_core.hpp"
#include "ramie/errors.hpp"
#include "ramie/fiber.hpp"

namespace ramie::testing {

namespace {

using ramie::detail::wait_queue;
using ramie::detail::wake;

constexpr ramie::detail::wait_kind a_reading{"reading of a memory stream"};
constexpr ramie::detail::wait_kind a_writing{"writing to a memory stream"};

[[noreturn]] void fail(int error, const char* call) {
    throw std::system_error(error, std::generic_category(), call);
}

// The one fiber that reads, or writes, for as long as it does.
class turn {
  public:
    turn(bool& taken, const char* call) : taken_(taken) {
        if (taken) fail(EBUSY, call);
        taken = true;
    }
    ~turn() { taken_ = false; }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

  private:
    bool& taken_;
};

}  // namespace

namespace detail {

// One direction.
class memory_pipe {
  public:
    explicit memory_pipe(std::size_t capacity) : capacity_(capacity) {}

    // Nothing: the caller has to wait.
    std::optional<std::size_t> try_read(std::span<std::byte> buffer) {
        if (reader_closed_) fail(EBADF, "read from a memory stream that is closed");
        if (reset_) fail(ECONNRESET, "read from a memory stream");
        if (data_.empty()) return ended_ ? std::optional<std::size_t>(0) : std::nullopt;
        const std::size_t n = std::min(buffer.size(), data_.size());
        std::copy_n(data_.begin(), n, buffer.begin());
        data_.erase(data_.begin(), data_.begin() + static_cast<std::ptrdiff_t>(n));
        writers_.wake_all();
        return n;
    }

    std::optional<std::size_t> try_write(std::span<const std::byte> bytes) {
        if (ended_) fail(writer_closed_ ? EBADF : EPIPE, "write to a memory stream that is ended");
        if (reset_) fail(ECONNRESET, "write to a memory stream");
        if (reader_closed_) fail(EPIPE, "write to a memory stream");
        const std::size_t n = std::min(bytes.size(), capacity_ - data_.size());
        if (n == 0) return {};
        data_.insert(data_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
        readers_.wake_all();
        return n;
    }

    void wait_to_read(deadline until) { wait(readers_, a_reading, until); }
    void wait_to_write(deadline until) { wait(writers_, a_writing, until); }

    void end() noexcept {
        ended_ = true;
        wake_everyone();
    }
    void close_writer() noexcept {
        writer_closed_ = true;
        end();
    }
    void close_reader() noexcept {
        reader_closed_ = true;
        wake_everyone();
    }
    void reset() noexcept {
        reset_ = true;
        data_.clear();
        wake_everyone();
    }

    bool is_read = false;
    bool is_written = false;

  private:
    void wait(wait_queue& queue, const ramie::detail::wait_kind& kind, deadline until) {
        const wake reason = queue.wait(kind, this, until);
        if (reason == wake::interrupted) ramie::detail::raise_interrupt();
        if (reason == wake::timed_out) throw timeout_expired(kind.what);
    }
    void wake_everyone() noexcept {
        readers_.wake_all();
        writers_.wake_all();
    }

    const std::size_t capacity_;
    std::vector<std::byte> data_;
    bool ended_ = false;
    bool writer_closed_ = false;
    bool reader_closed_ = false;
    bool reset_ = false;
    wait_queue readers_;
    wait_queue writers_;
};

}  // namespace detail

namespace {

using detail::memory_pipe;
using outcome = fault_source::outcome;

// What a transfer needs, though the stream may be closed, even destroyed, meanwhile.
struct connection {
    using ask = fault_source::decision (fault_source::*)(std::size_t) noexcept;
    using tell = void (fault_source::*)(std::size_t) noexcept;

    std::shared_ptr<memory_pipe> in;
    std::shared_ptr<memory_pipe> out;
    std::shared_ptr<fault_source> faults;

    // How much of `wanted` the plan lets through, after the delay that it wants; 0: the stream
    // ends.
    [[nodiscard]] std::size_t permitted(std::size_t wanted, ask next, deadline until) const {
        if (faults == nullptr) return wanted;
        auto decision = ((*faults).*next)(wanted);
        for (; decision.what == outcome::waits; decision = ((*faults).*next)(wanted)) {
            this_fiber::sleep_until(std::min(deadline(decision.delay), until));
            if (until.expired()) throw timeout_expired("transfer of a memory stream");
        }
        if (decision.what != outcome::resets) return decision.most;
        in->reset();
        out->reset();
        return wanted;
    }

    // One that waits may be woken for nothing, once for each transfer.
    void await(void (memory_pipe::*wait)(deadline), memory_pipe& pipe, deadline until,
               bool& was_woken) const {
        if (!was_woken && faults != nullptr && faults->wakes_for_nothing()) {
            was_woken = true;
            this_fiber::yield();
        } else {
            (pipe.*wait)(until);
        }
    }

    std::size_t moved(std::size_t bytes, tell of) const {
        if (faults != nullptr) ((*faults).*of)(bytes);
        return bytes;
    }
};

}  // namespace

memory_stream::memory_stream() noexcept = default;

memory_stream::memory_stream(std::shared_ptr<memory_pipe> in,
                             std::shared_ptr<memory_pipe> out) noexcept
    : in_(std::move(in)), out_(std::move(out)) {}

memory_stream::memory_stream(memory_stream&&) noexcept = default;

memory_stream& memory_stream::operator=(memory_stream&& other) noexcept {
    close();
    in_ = std::move(other.in_);
    out_ = std::move(other.out_);
    faults_ = std::move(other.faults_);
    return *this;
}

memory_stream::~memory_stream() { close(); }

std::size_t memory_stream::read_some(std::span<std::byte> buffer, deadline until) {
    constexpr const char* call = "read from a memory stream";
    if (buffer.empty()) return 0;
    if (!is_open()) fail(EBADF, call);
    const connection mine{in_, out_, faults_};
    const turn only(mine.in->is_read, call);
    const std::size_t most = mine.permitted(buffer.size(), &fault_source::next_read, until);
    if (most == 0) return 0;
    bool was_woken = false;
    for (;;) {
        if (const auto n = mine.in->try_read(buffer.first(most)))
            return mine.moved(*n, &fault_source::was_read);
        mine.await(&memory_pipe::wait_to_read, *mine.in, until, was_woken);
    }
}

std::size_t memory_stream::write_some(std::span<const std::byte> data, deadline until) {
    constexpr const char* call = "write to a memory stream";
    if (data.empty()) return 0;
    if (!is_open()) fail(EBADF, call);
    const connection mine{in_, out_, faults_};
    const turn only(mine.out->is_written, call);
    const std::size_t most = mine.permitted(data.size(), &fault_source::next_write, until);
    bool was_woken = false;
    for (;;) {
        if (const auto n = mine.out->try_write(data.first(most)))
            return mine.moved(*n, &fault_source::was_written);
        mine.await(&memory_pipe::wait_to_write, *mine.out, until, was_woken);
    }
}

void memory_stream::read_exactly(std::span<std::byte> buffer, deadline until) {
    for (std::size_t done = 0; done != buffer.size();) {
        const std::size_t n = read_some(buffer.subspan(done), until);
        if (n == 0) fail(ENODATA, "read from a memory stream that ended");
        done += n;
    }
}

void memory_stream::write_all(std::span<const std::byte> data, deadline until) {
    while (!data.empty()) data = data.subspan(write_some(data, until));
}

void memory_stream::shutdown_write() noexcept {
    if (is_open()) out_->end();
}

void memory_stream::close() noexcept {
    if (!is_open()) return;
    in_->close_reader();
    out_->close_writer();
    in_.reset();
    out_.reset();
}

void memory_stream::reset() noexcept {
    if (!is_open()) return;
    in_->reset();
    out_->reset();
    close();
}

void memory_stream::set_faults(const fault_plan& plan) {
    faults_ = std::make_shared<fault_source>(plan);
}

std::pair<memory_stream, memory_stream> memory_stream_pair(std::size_t capacity) {
    auto there = std::make_shared<memory_pipe>(capacity);
    auto back = std::make_shared<memory_pipe>(capacity);
    return {memory_stream(back, there), memory_stream(there, back)};
}

}  // namespace ramie::testing
