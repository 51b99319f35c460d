// What the public headers are to declare, each compiled alone: HEADER is the number of one.
#if HEADER == 1
#include <ramie/run.hpp>

using namespace std::chrono_literals;

int use() {
    ramie::run_options options;
    options.shutdown_grace = 1s;
    return ramie::run([] { return 3; }) + ramie::run([] {}, options);
}

#elif HEADER == 2
#include <ramie/fiber.hpp>
#include <vector>

using namespace std::chrono_literals;

void use() {
    ramie::fiber<int> first = ramie::spawn([](int i) { return i; }, 1);
    ramie::fiber<> second = ramie::spawn(ramie::fiber_options{}, [] {});
    ramie::spawn_later(1s, [] {}).kill();
    std::vector<ramie::fiber<int> > all{first};
    ramie::wait_any(all);
    ramie::join_all(all);
    ramie::kill_all(all);
    first.join(1s);
    second.join();
    if (first.ready() && first.successful() && first.exception() == nullptr) first.get();
    first.link([](const auto&) {});
    ramie::this_fiber::yield();
    ramie::this_fiber::sleep_for(1ms);
    ramie::this_fiber::sleep_until(std::chrono::steady_clock::now());
    if (ramie::this_fiber::id() == first.id()) throw ramie::fiber_exit{};
    if (ramie::this_fiber::name() != first.name()) throw ramie::fiber_exit{};
}

#elif HEADER == 3
#include <ramie/timeout.hpp>

using namespace std::chrono_literals;

int use() try {
    const ramie::timeout t{5s};
    ramie::with_timeout(5s, [] {});
    return ramie::with_timeout(5s, [] { return 1; });
} catch (const ramie::timeout_expired&) {
    return 2;
}

#elif HEADER == 4
#include <ramie/deadline.hpp>

using namespace std::chrono_literals;

const ramie::deadline never = ramie::deadline::never();
const ramie::deadline soon = 1s;
const ramie::deadline now = std::chrono::steady_clock::now();

#elif HEADER == 5
#include <ramie/event.hpp>

using namespace std::chrono_literals;

int use(ramie::event& e, ramie::async_result<int>& r) {
    e.set();
    e.clear();
    e.wait(1s);
    r.set(1);
    return r.get();
}

#elif HEADER == 6
#include <mutex>
#include <ramie/lock.hpp>
#include <shared_mutex>

void use(ramie::mutex& m, ramie::recursive_mutex& r, ramie::shared_mutex& s) {
    const std::lock_guard one(r);
    const std::shared_lock two(s);
    std::unique_lock three(m);
    ramie::condition_variable changed;
    changed.wait(three, [] { return true; });
    ramie::semaphore places(1);
    ramie::bounded_semaphore bounded(1);
    const std::scoped_lock both(places, bounded);
    ramie::latch started(1);
    ramie::barrier together(1);
    ramie::once first;
}

#elif HEADER == 7
#include <ramie/queue.hpp>

using namespace std::chrono_literals;

int use(ramie::queue<int>& q, ramie::lifo_queue<int>& l, ramie::priority_queue<int>& p,
        ramie::joinable_queue<int>& j, ramie::channel<int>& c) {
    q.put(1);
    l.put(1, 1s);
    c.shutdown();
    j.task_done();
    j.join();
    q.shutdown();
    return (p.try_put(1) ? 1 : 0) + q.get() + l.get(1s) + p.try_get().value_or(0) + q.peek();
}

#elif HEADER == 8
#include <ramie/pool.hpp>
#include <vector>

int use(ramie::group& g, const std::vector<int>& items) {
    ramie::pool p{3};
    p.spawn([] {});
    const auto same = [](int i) { return i; };
    int sum = p.apply(same, 1);
    for (const int i : p.map(items, same)) sum += i;
    for (const int i : p.imap(items, same)) sum += i;
    for (const int i : p.imap_unordered(items, same)) sum += i;
    p.join();
    p.kill();
    g.join();
    return sum;
}

#elif HEADER == 9
#include <ramie/thread_pool.hpp>
#include <vector>

int use(ramie::thread_pool& threads, ramie::executor& e, const std::vector<int>& items) {
    auto sum = e.submit([] { return 1; });
    sum.add_done_callback([] {});
    e.map(items, [](int i) { return i; });
    e.shutdown(true);
    return sum.get() + threads.run([] { return 1; }) + ramie::offload([] { return 1; });
}

#elif HEADER == 10
#include <ramie/local.hpp>

int use(ramie::local<int>& value) { return value.get() + *value; }

#elif HEADER == 11
#include <ramie/timer.hpp>

using namespace std::chrono_literals;

void use() {
    ramie::timer once{1s, [] {}};
    once.cancel();
}

#elif HEADER == 12
#include <csignal>
#include <ramie/signal.hpp>

void use() {
    const auto quit = ramie::on_signal(SIGTERM, [] {});
    ramie::wait_signal({SIGTERM});
}

#elif HEADER == 13
#include <boost/asio/steady_timer.hpp>
#include <ramie/asio.hpp>

using namespace std::chrono_literals;

void use() {
    boost::asio::steady_timer timer(ramie::this_io_context(), 1s);
    timer.async_wait(ramie::use_fiber);
}

#elif HEADER == 14
#include <ostream>
#include <ramie/debug.hpp>

using namespace std::chrono_literals;

void use(std::ostream& out) {
    ramie::dump(out);
    ramie::on_blocked([](const auto&) {});
}

#elif HEADER == 15
#include <array>
#include <ramie/net/socket.hpp>

using namespace std::chrono_literals;

void use(ramie::net::tcp_listener& listener) {
    ramie::net::tcp_stream peer = listener.accept();
    std::array<std::byte, 9> buffer{};
    peer.write_all("hello");
    peer.read_exactly(buffer, 1s);
    const ramie::net::endpoint where("127.0.0.1", 80);
}

#elif HEADER == 16
#include <ramie/net/server.hpp>

using namespace std::chrono_literals;

void use(const ramie::net::endpoint& where) {
    ramie::net::stream_server server(where, [](ramie::net::tcp_stream) {});
    server.serve();
    server.stop(1s);
}

#elif HEADER == 17
#include <ramie/monkey.hpp>

bool use() {
    using namespace ramie;
    monkey::patch_all();
    monkey::patch_socket();
    monkey::patch_sleep();
    monkey::patch_dns();
    monkey::patch_poll();
    monkey::patch_file();
    char byte = 0;
    monkey::original::recv(0, &byte, 1, 0);
    return monkey::is_patched("recv");
}

#else
#error "which header?"
#endif
