#include "ramie/asio.hpp"

#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "ramie/event.hpp"
#include "ramie/fiber.hpp"
#include "ramie/post.hpp"
#include "ramie/run.hpp"
#include "ramie/timeout.hpp"
#include "ramie/wait_fd.hpp"
#include "support/fiber_test.hpp"
#include "support/threads.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = boost::asio;
using asio = ramie::test::fiber_test;
using net::ip::tcp;
using ramie::spawn;
using ramie::this_io_context;
using ramie::use_fiber;
using ramie::test::count_of;
using ramie::test::error_of;
using ramie::test::let_others_run;
namespace this_fiber = ramie::this_fiber;
using stream = net::local::stream_protocol::socket;
using steady_clock = std::chrono::steady_clock;

std::pair<stream, stream> connected() {
    std::pair<stream, stream> both(this_io_context(), this_io_context());
    net::local::connect_pair(both.first, both.second);
    return both;
}

TEST_F(asio, timer_lets_the_other_fibers_go_on) {
    int turns = 0;
    auto other = spawn([&] {
        for (;;) {
            ++turns;
            this_fiber::sleep_for(1ms);
        }
    });
    const auto start = steady_clock::now();
    net::steady_timer timer(this_io_context(), 20ms);
    timer.async_wait(use_fiber);
    EXPECT_GE(steady_clock::now() - start, 20ms);
    EXPECT_GE(turns, 1);
    other.kill();
}

TEST_F(asio, resolver_finds_an_address) {
    tcp::resolver resolver(this_io_context());
    const auto found = resolver.async_resolve(
        "127.0.0.1", "80", tcp::resolver::numeric_host | tcp::resolver::numeric_service, use_fiber);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.begin()->endpoint(), tcp::endpoint(net::ip::make_address("127.0.0.1"), 80));
    // A name, by a thread of Asio's own. A bare system may not know this one.
    try {
        EXPECT_FALSE(resolver.async_resolve("localhost", "80", use_fiber).empty());
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code().value(), net::error::host_not_found) << e.what();
    }
}

TEST_F(asio, error_is_thrown_as_a_system_error) {
    tcp::resolver resolver(this_io_context());
    EXPECT_THROW(
        resolver.async_resolve("not an address", "80", tcp::resolver::numeric_host, use_fiber),
        std::system_error);
    auto [a, b] = connected();
    b.close();
    char c = 0;
    try {
        a.async_read_some(net::buffer(&c, 1), use_fiber);
        ADD_FAILURE() << "it read";
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code(), std::error_code(boost::system::error_code(net::error::eof)));
    }
}

TEST_F(asio, operation_gives_its_results) {
    auto [a, b] = connected();
    auto writer =
        spawn([&b = b] { return net::async_write(b, net::buffer("hello", 5), use_fiber); });
    std::string text(5, '\0');
    const std::size_t n = net::async_read(a, net::buffer(text), use_fiber);
    EXPECT_EQ(n, 5U);
    EXPECT_EQ(text, "hello");
    EXPECT_EQ(writer.get(), 5U);
}

template <class... Values>
auto complete_with(Values... values) {
    return net::async_initiate<const ramie::use_fiber_t, void(Values...)>(
        [](auto handler, auto... results) {
            net::post(this_io_context(), [handler = std::move(handler), results...]() mutable {
                std::move(handler)(std::move(results)...);
            });
        },
        use_fiber, values...);
}

TEST_F(asio, operation_gives_nothing_one_value_or_a_tuple) {
    using boost::system::error_code;
    static_assert(std::is_void_v<decltype(complete_with())>);
    static_assert(std::is_void_v<decltype(complete_with(error_code()))>);
    complete_with();
    complete_with(error_code());
    EXPECT_EQ(complete_with(1), 1);
    EXPECT_EQ(complete_with(error_code(), std::string("one")), "one");
    EXPECT_EQ(complete_with(1, std::string("two")), std::tuple(1, std::string("two")));
    EXPECT_EQ(complete_with(error_code(), 1, 2), std::tuple(1, 2));
}

TEST_F(asio, operation_may_complete_before_it_is_awaited) {
    const int value = net::async_initiate<const ramie::use_fiber_t, void(int)>(
        [](auto handler) { std::move(handler)(5); }, use_fiber);
    EXPECT_EQ(value, 5);
}

TEST_F(asio, connection_is_made_beside_other_fibers) {
    tcp::acceptor acceptor(this_io_context(), tcp::endpoint(net::ip::make_address("127.0.0.1"), 0));
    auto server = spawn([&] {
        auto peer = acceptor.async_accept(use_fiber);
        std::string text(4, '\0');
        net::async_read(peer, net::buffer(text), use_fiber);
        net::async_write(peer, net::buffer(text), use_fiber);
    });
    std::vector<ramie::fiber<>> sleepers;
    for (int i = 0; i != 10; ++i) sleepers.push_back(spawn([] { this_fiber::sleep_for(1ms); }));
    tcp::socket client(this_io_context());
    client.async_connect(acceptor.local_endpoint(), use_fiber);
    net::async_write(client, net::buffer("ping", 4), use_fiber);
    std::string text(4, '\0');
    net::async_read(client, net::buffer(text), use_fiber);
    EXPECT_EQ(text, "ping");
    server.join();
    ramie::join_all(sleepers);
}

TEST_F(asio, operations_run_several_at_once) {
    const auto start = steady_clock::now();
    std::vector<int> order;
    std::vector<ramie::fiber<>> waiting;
    for (const int n : {3, 1, 2})
        waiting.push_back(spawn([&order, start, n] {
            net::steady_timer(this_io_context(), start + n * 10ms).async_wait(use_fiber);
            order.push_back(n);
        }));
    ramie::join_all(waiting);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    EXPECT_GE(steady_clock::now() - start, 30ms);
}

TEST_F(asio, operation_is_cancelled_by_a_kill) {
    net::steady_timer timer(this_io_context(), 1h);
    auto f = spawn([&] { timer.async_wait(use_fiber); });
    let_others_run();
    EXPECT_TRUE(f.kill());
    EXPECT_TRUE(f.successful());
    EXPECT_EQ(timer.cancel(), 0U);
}

TEST_F(asio, operation_is_cancelled_by_a_timeout) {
    auto [a, b] = connected();
    const ramie::timeout limit(10ms);
    char c = 0;
    try {
        a.async_read_some(net::buffer(&c, 1), use_fiber);
        ADD_FAILURE() << "it read";
    } catch (const ramie::timeout_expired& e) {
        EXPECT_TRUE(limit.owns(e));
    }
    b.send(net::buffer("x", 1));
    EXPECT_EQ(a.async_read_some(net::buffer(&c, 1), use_fiber), 1U);
    EXPECT_EQ(c, 'x');
}

// The buffer lies on the fiber's stack: the operation has to end before the frame does.
TEST_F(asio, operation_that_cannot_be_cancelled_is_waited_for) {
    bool completed = false;
    auto f = spawn([&] {
        net::async_initiate<const ramie::use_fiber_t, void()>(
            [&](auto handler) {
                spawn([&completed, handler = std::move(handler)]() mutable {
                    this_fiber::sleep_for(10ms);
                    completed = true;
                    std::move(handler)();
                });
            },
            use_fiber);
    });
    let_others_run();
    f.try_kill();
    f.try_kill();
    EXPECT_TRUE(f.kill());
    EXPECT_TRUE(completed);
    EXPECT_TRUE(f.successful());
}

TEST_F(asio, operation_is_unwound_at_the_end_of_run) {
    bool unwound = false;
    ramie::run([&] {
        spawn([&] {
            const ramie::test::at_exit note([&] { unwound = true; });
            net::steady_timer(this_io_context(), 1h).async_wait(use_fiber);
        });
        let_others_run();
    });
    EXPECT_TRUE(unwound);
}

TEST_F(asio, handler_runs_on_the_loop_and_must_not_wait) {
    std::string refusal;
    ramie::event done;
    net::post(this_io_context(), [&] {
        refusal = error_of<std::logic_error>([] { this_fiber::sleep_for(1s); });
        done.set();
    });
    done.wait();
    EXPECT_NE(refusal.find("loop"), std::string::npos);
}

// Refused before the operation starts: nothing would be left for its handler to write to.
TEST_F(asio, operation_cannot_be_awaited_on_the_loop) {
    bool initiated = false;
    std::string refusal;
    ramie::event done;
    ramie::this_scheduler().post([&] {
        refusal = error_of<std::logic_error>([&] {
            net::async_initiate<const ramie::use_fiber_t, void()>([&](auto) { initiated = true; },
                                                                  use_fiber);
        });
        done.set();
    });
    done.wait();
    EXPECT_NE(refusal.find("loop"), std::string::npos);
    EXPECT_FALSE(initiated);
}

TEST_F(asio, handler_that_throws_a_system_exit_ends_run_with_its_code) {
    EXPECT_EQ(ramie::run([] {
                  net::post(this_io_context(), [] { throw ramie::system_exit{7}; });
                  this_fiber::sleep_for(1h);
              }),
              7);
}

TEST_F(asio, handler_that_throws_is_reported_and_stops_no_other) {
    ramie::event done;
    const std::string report = ramie::test::stderr_of([&] {
        net::post(this_io_context(), [] { throw std::runtime_error("boom"); });
        net::post(this_io_context(), [&] { done.set(); });
        done.wait();
    });
    EXPECT_EQ(count_of("boom", report), 1);
    EXPECT_EQ(count_of("Asio handler", report), 1);
}

TEST_F(asio, handler_may_post_from_another_thread) {
    net::io_context& context = this_io_context();
    ramie::event done;
    const auto work = net::make_work_guard(context);
    std::thread other([&, here = ::gettid()] {
        ramie::test::until_it_waits(here);
        net::post(context, [&] { done.set(); });
    });
    done.wait();
    other.join();
}

TEST_F(asio, work_that_is_left_is_not_a_deadlock_and_none_is) {
    ramie::event never;
    net::steady_timer timer(this_io_context(), 10ms);
    bool expired = false;
    timer.async_wait([&](const auto&) { expired = true; });
    EXPECT_THROW(never.wait(), ramie::deadlock_error);
    EXPECT_TRUE(expired);
}

TEST_F(asio, is_not_starved_by_fibers_that_never_wait) {
    net::steady_timer timer(this_io_context(), 1ms);
    bool expired = false;
    timer.async_wait([&](const auto&) { expired = true; });
    while (!expired) this_fiber::yield();
}

// Our descriptors, our timers and Asio's, all waited for in one place.
TEST_F(asio, loses_no_event_beside_our_own_descriptors) {
    constexpr int rounds = 300;
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    auto [a, b] = connected();
    auto native = spawn([&] {
        int seen = 0;
        char c = 0;
        while (seen != rounds && ramie::wait_readable(pipe[0], 10s) && ::read(pipe[0], &c, 1) == 1)
            ++seen;
        return seen;
    });
    auto foreign = spawn([&a = a] {
        int seen = 0;
        char c = 0;
        for (; seen != rounds; ++seen) a.async_read_some(net::buffer(&c, 1), use_fiber);
        return seen;
    });
    std::thread writer([&, fd = b.native_handle()] {
        for (int i = 0; i != rounds; ++i) {
            EXPECT_EQ(::write(i % 2 == 0 ? fd : pipe[1], "x", 1), 1);
            EXPECT_EQ(::write(i % 2 == 0 ? pipe[1] : fd, "x", 1), 1);
            if (i % 10 == 0) std::this_thread::yield();
        }
    });
    EXPECT_EQ(native.get(), rounds);
    EXPECT_EQ(foreign.get(), rounds);
    writer.join();
    for (const int end : pipe) {
        ramie::forget_descriptor(end);
        ::close(end);
    }
}

}  // namespace
