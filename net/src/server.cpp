#include "ramie/net/server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "socket_calls.hpp"

namespace ramie::net {

namespace {

std::size_t default_pool() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) fail(errno, "limit of descriptors");
    if (limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<std::size_t>::max();
    return std::max<std::size_t>(limit.rlim_cur / 2, 1);
}

bool is_one_of(const std::error_code& code, std::initializer_list<std::errc> errors) noexcept {
    return std::ranges::any_of(errors, [&code](std::errc e) { return code == e; });
}

bool is_shortage(const std::system_error& e) noexcept {
    return is_one_of(e.code(),
                     {std::errc::too_many_files_open, std::errc::too_many_files_open_in_system,
                      std::errc::no_buffer_space, std::errc::not_enough_memory});
}

// The peer has gone away.
bool is_ordinary_end(const std::system_error& e) noexcept {
    return is_one_of(e.code(), {std::errc::connection_reset, std::errc::broken_pipe}) ||
           dynamic_cast<const end_of_stream*>(&e) != nullptr;
}

// A destructor must wait in peace: an exception that leaves it ends the program.
class shield {
  public:
    shield() noexcept {
        if (fiber_ != nullptr) ++fiber_->shields;
    }
    ~shield() {
        if (fiber_ != nullptr) --fiber_->shields;
    }
    shield(const shield&) = delete;
    shield& operator=(const shield&) = delete;

  private:
    ramie::detail::fiber_core* const fiber_ = ramie::detail::current_fiber;
};

}  // namespace

// A connection's place in the pool; freed with the fiber, also when that never ran.
class stream_server::place {
  public:
    place(stream_server& server, int fd)
        : server_(&server), here_(server.served_.emplace(server.served_.end())) {
        here_->fd = fd;
        if (const auto* facts = ramie::detail::facts_of(fd)) here_->generation = facts->generation;
        here_->next_look = ramie::detail::now_ns() + server.time_between_looks().count();
        if (server.served_.size() != 1) return;
        server.empty_.clear();
        server.busy_.set();
    }
    place(place&& other) noexcept
        : server_(std::exchange(other.server_, nullptr)), here_(other.here_) {}
    place& operator=(place&&) = delete;
    ~place() {
        if (server_ == nullptr) return;
        server_->served_.erase(here_);
        server_->room_.set();
        if (!server_->served_.empty()) return;
        server_->busy_.clear();
        server_->empty_.set();
        if (server_->stopping_) server_->stopped_.set();
    }

    [[nodiscard]] detail::connection& connection() const noexcept { return *here_; }

  private:
    stream_server* server_;
    std::list<detail::connection>::iterator here_;
};

stream_server::stream_server(const net::endpoint& where, handler h, const server_options& options)
    : stream_server(
          tcp_listener(where, {.backlog = options.backlog, .reuse_port = options.reuse_port}),
          std::move(h), options) {}

stream_server::stream_server(tcp_listener listener, handler h, server_options options)
    : listener_(std::move(listener)),
      handler_(std::move(h)),
      options_(std::move(options)),
      where_(listener_.local_endpoint()) {
    if (!handler_) throw std::invalid_argument("ramie: a server without a handler");
    if (options_.pool == 0) options_.pool = default_pool();
}

stream_server::~stream_server() {
    const shield in_peace;
    try {
        stop(deadline::at(0));
    } catch (const std::logic_error&) {
        // The scheduler has ended, and the fibers that outlived it will never run again.
    }
}

void stream_server::start() {
    if (stopping_) throw std::logic_error("ramie: start of a server that was stopped");
    if (acceptor_) return;
    if (time_between_looks().count() != 0 && !watcher_)
        watcher_ = spawn({.name = options_.name + " watcher"}, [this] { watch_connections(); });
    acceptor_ = spawn({.name = options_.name + " acceptor"}, [this] { accept_all(); });
}

void stream_server::serve() {
    start();
    ++servers_;
    try {
        stopped_.wait();
    } catch (...) {
        --servers_;
        stop(deadline::at(0));
        throw;
    }
    --servers_;
    if (failure_ != nullptr) std::rethrow_exception(failure_);
}

void stream_server::stop(deadline grace) {
    stopping_ = true;
    listener_.close();
    acceptor_.try_kill();
    if (empty_.is_set()) stopped_.set();
    if (grace.expired() || !empty_.wait(grace)) {
        // A copy: what has not started yet leaves the list at once.
        std::vector<fiber_base> left;
        for (const detail::connection& each : served_) left.push_back(each.fiber);
        for (const fiber_base& f : left) f.try_kill();
        empty_.wait();
    }
    watcher_.kill();
    acceptor_.join();
}

void stream_server::accept_all() {
    try {
        accept_connections();
    } catch (const std::exception&) {
        if (stopping_) return;
        failure_ = std::current_exception();
        stopped_.set();
        // Nobody looks at the acceptor: what leaves a fiber without a handle is reported at once.
        if (servers_ == 0)
            spawn({.name = options_.name + " acceptor"},
                  [error = failure_] { std::rethrow_exception(error); });
    }
}

// Goes on as long as connections wait; accept() lets the other fibers run now and then.
void stream_server::accept_connections() {
    for (;;) {
        while (served_.size() >= options_.pool) {
            room_.clear();
            room_.wait();
        }
        try {
            admit(listener_.accept());
            pause_ = {};
        } catch (const std::system_error& e) {
            if (!is_shortage(e)) throw;
            endure(e.code(), e.what());
        } catch (const std::bad_alloc&) {
            endure(std::make_error_code(std::errc::not_enough_memory),
                   "no memory for a connection");
        }
    }
}

void stream_server::admit(tcp_stream peer) {
    place mine(*this, peer.native_handle());
    fiber_base& handle_of_it = mine.connection().fiber;
    handle_of_it = spawn(
        {.stack_size = options_.stack_size},
        [this](place&& its, tcp_stream&& owned) { handle(its, std::move(owned)); }, std::move(mine),
        std::move(peer));
    ++stats_.accepted;
}

void stream_server::handle(const place& mine, tcp_stream&& peer) {
    const net::endpoint from = peer.remote_endpoint();
    try {
        handler_(std::move(peer));
    } catch (const fiber_exit&) {
        throw;
    } catch (const system_exit&) {
        throw;
    } catch (const timeout_expired&) {
        if (mine.connection().stalled) return;
        blame(from);
        throw;
    } catch (const std::system_error& e) {
        if (is_ordinary_end(e)) return;
        blame(from);
        throw;
    } catch (...) {
        blame(from);
        throw;
    }
}

// The runtime reports an exception that leaves a fiber, with the fiber's name.
void stream_server::blame(const net::endpoint& peer) {
    ++stats_.failed;
    this_fiber::self().set_name(options_.name + " for " + peer.to_string());
}

}  // namespace ramie::net
