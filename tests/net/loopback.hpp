// What the tests of sockets have in common: connections to oneself, and peers that know nothing of
// fibers.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "ramie/async_result.hpp"
#include "ramie/fiber.hpp"
#include "ramie/net/socket.hpp"
#include "support/fiber_test.hpp"

namespace ramie::test {

using namespace std::chrono_literals;

struct connection {
    net::tcp_stream client;
    net::tcp_stream server;
};

inline connection connect_to_self() {
    net::tcp_listener listener("127.0.0.1:0");
    auto client = net::tcp_stream::connect(listener.local_endpoint());
    return {std::move(client), listener.accept()};
}

// Runs the ready fibers and what the kernel has to tell them, until `condition` holds.
template <class Condition>
void wait_until(Condition condition) {
    while (!condition()) this_fiber::yield();
}

// Lets whatever is under way show, the kernel's part too.
inline void settle() {
    for (int i = 0; i != 5000; ++i) this_fiber::yield();
}

// How many bytes the kernel keeps for a reader.
template <class Socket>
int unread(const Socket& s) {
    int bytes = 0;
    ::ioctl(s.native_handle(), FIONREAD, &bytes);
    return bytes;
}

// A function on a thread of its own.
template <class R>
class on_thread {
  public:
    template <class F>
    explicit on_thread(F f)
        : thread_([f = std::move(f), result = result_]() mutable {
              try {
                  if constexpr (std::is_void_v<R>) {
                      f();
                      result.set();
                  } else {
                      result.set(f());
                  }
              } catch (...) {
                  result.set_exception(std::current_exception());
              }
          }) {}
    ~on_thread() { thread_.join(); }
    on_thread(const on_thread&) = delete;
    on_thread& operator=(const on_thread&) = delete;

    // Suspends the calling fiber.
    R get() { return result_.get(); }

  private:
    async_result<R> result_;
    std::thread thread_;
};
template <class F>
on_thread(F) -> on_thread<std::invoke_result_t<F>>;

// A blocking socket, as in a textbook.
class plain_client {
  public:
    explicit plain_client(const net::endpoint& to)
        : fd_(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        if (::connect(fd_, to.data(), to.size()) != 0) throw std::runtime_error("connect");
    }
    ~plain_client() { close(); }
    plain_client(const plain_client&) = delete;
    plain_client& operator=(const plain_client&) = delete;

    void send(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (n <= 0) throw std::runtime_error("send");
            text.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    // Empty at the end of the stream, and when it is reset.
    [[nodiscard]] std::string receive(std::size_t size) const {
        std::string text(size, '\0');
        const ssize_t n = ::recv(fd_, text.data(), size, MSG_WAITALL);
        text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
        return text;
    }
    [[nodiscard]] std::string ask(std::string_view text) const {
        send(text);
        return receive(text.size());
    }
    void end_writing() const { ::shutdown(fd_, SHUT_WR); }
    // Ends with RST instead of FIN.
    void reset() {
        const ::linger hard{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close();
    }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    [[nodiscard]] int native_handle() const { return fd_; }

  private:
    int fd_;
};

// What a command writes to stdout.
inline std::string output_of(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error(command);
    std::string text;
    std::array<char, 4096> buffer;
    while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe))
        text.append(buffer.data(), n);
    if (::pclose(pipe) != 0) throw std::runtime_error(command + ": " + text);
    return text;
}

// Bytes that differ at every place, as far as a test can tell.
inline std::string pattern(std::size_t size, std::uint64_t seed = 1) {
    std::string text(size, '\0');
    for (char& c : text) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        c = static_cast<char>(seed >> 56);
    }
    return text;
}

inline void echo(net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    while (auto n = peer.read_some(buffer)) peer.write_all(std::span(buffer).first(n));
}

// The exception that `f` throws, of type E; fails otherwise.
template <class E, class F>
E thrown_by(F f) {
    try {
        f();
    } catch (const E& e) {
        return e;
    }
    ADD_FAILURE() << "nothing was thrown";
    throw std::logic_error("nothing was thrown");
}

}  // namespace ramie::test
