// Keeps many connections to an echo server busy, a fiber for each, and checks every byte.
//
//     stress_client --port 7000 --connections 10000 --size 64 --pipeline 1 --duration 10
//     stress_client --port 7000 --json         a line of JSON each second, last the result
//
// A connection sends its next request when an answer has come: latencies are those of a server that
// never rests. Exit status 1 when a byte is lost or wrong or a connection fails.

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <ramie/fiber.hpp>
#include <ramie/run.hpp>
#include <string>
#include <vector>

#include "stress_conversation.hpp"
#include "stress_figures.hpp"

namespace {

using seconds = std::chrono::duration<double>;

struct options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::size_t connections = 100;
    std::size_t size = 64;
    std::size_t pipeline = 1;
    double duration = 5;
    double warmup = 1;
    double patience = 10;
    bool json = false;
};

class stress_run {
  public:
    explicit stress_run(const options& wish)
        : wish_(wish),
          plan_{.server = {wish.host, wish.port},
                .size = wish.size,
                .pipeline = wish.pipeline,
                .patience =
                    std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(wish.patience))} {}

    int run() {
        const auto reporter = ramie::spawn([this] { report_each_second(); });
        so_far_.begin("connecting");
        connect_all();
        if (so_far_.errors() == 0) talk();
        reporter.kill();
        so_far_.finish();
        report_end();
        return so_far_.errors() == 0 ? 0 : 1;
    }

  private:
    // So many at a time that no backlog overflows; the first one alone finds out if there is a
    // server at all.
    void connect_all() {
        std::size_t wave = 1;
        while (talks_.size() < wish_.connections && so_far_.errors() == 0) {
            std::vector<ramie::fiber<>> fibers;
            for (; wave > 0 && talks_.size() < wish_.connections; --wave)
                fibers.push_back(connect(talks_.emplace_back(plan_, talks_.size(), so_far_)));
            ramie::join_all(fibers);
            wave = 256;
        }
    }

    ramie::fiber<> connect(conversation& talk) {
        return spawn([this, &talk] {
            talk.begin();
            so_far_.add_connection();
        });
    }

    void talk() {
        std::vector<ramie::fiber<>> fibers;
        for (conversation& talk : talks_) fibers.push_back(go_on(talk));
        so_far_.begin("warming up");
        ramie::join_all(fibers, seconds(wish_.warmup));
        so_far_.begin("measuring");
        ramie::join_all(fibers, seconds(wish_.duration));
        so_far_.end();
        enough_ = true;
        ramie::join_all(fibers);
    }

    ramie::fiber<> go_on(conversation& talk) {
        return spawn([this, &talk] {
            while (!enough_) talk.go_on();
            talk.end();
        });
    }

    // A fiber that counts the exception that ends it.
    template <class Body>
    ramie::fiber<> spawn(Body body) {
        return ramie::spawn([this, body] {
            try {
                body();
            } catch (const std::exception& error) {
                so_far_.add_error(error.what());
            }
        });
    }

    void report_each_second() {
        for (;;) {
            ramie::this_fiber::sleep_for(std::chrono::seconds(1));
            if (wish_.json) {
                fmt::print("{}\n", so_far_.as_json());
                std::fflush(stdout);
            } else if (on_terminal_) {
                fmt::print(stderr, "\r\033[K{}", so_far_.as_line());
            }
        }
    }

    void report_end() {
        if (on_terminal_ && !wish_.json) fmt::print(stderr, "\r\033[K");
        if (so_far_.errors() != 0)
            fmt::print(stderr, "stress_client: {}\n", so_far_.as_complaint());
        if (wish_.json)
            fmt::print("{}\n", so_far_.as_json());
        else if (so_far_.has_ended())
            fmt::print("{}", so_far_.as_table());
    }

    const options wish_;
    const conversation_plan plan_;
    const bool on_terminal_ = isatty(STDERR_FILENO) != 0;
    std::deque<conversation> talks_;
    figures so_far_;
    bool enough_ = false;
};

std::size_t as_many_as_fit(std::size_t connections) {
    constexpr std::size_t others = 32;  // the standard streams, the loop's, what was inherited
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    if (connections + others <= files.rlim_cur) return connections;
    const std::size_t fit = std::max<std::size_t>(files.rlim_cur, others + 1) - others;
    fmt::print(stderr, "stress_client: {} connections need 'ulimit -n {}', it is {}: {} will do\n",
               connections, connections + others, files.rlim_cur, fit);
    return fit;
}

// Not a number, "nan", is no number of seconds either.
std::string check_seconds(const std::string& text) {
    const double value = std::atof(text.c_str());
    return value >= 0 && value <= 1e6 ? "" : text + " is not a number of seconds up to a million";
}

void describe(CLI::App& app, options& wish) {
    const auto up_to = [](std::size_t most) { return CLI::Range(std::size_t{1}, most); };
    app.option_defaults()->always_capture_default();
    app.add_option("--host", wish.host, "numeric address of the server");
    app.add_option("--port", wish.port, "its port")->required()->check(CLI::Range(1, 65535));
    app.add_option("--connections", wish.connections, "at the same time")->check(up_to(1 << 20));
    app.add_option("--size", wish.size, "bytes of a request")->check(up_to(1 << 30));
    app.add_option("--pipeline", wish.pipeline, "requests in flight on a connection")
        ->check(up_to(1 << 16));
    app.add_option("--duration", wish.duration, "seconds to measure")->check(check_seconds);
    app.add_option("--warmup", wish.warmup, "seconds before that")->check(check_seconds);
    app.add_option("--patience", wish.patience, "seconds after which an answer is lost")
        ->check(check_seconds);
    app.add_flag("--json", wish.json, "a line of JSON each second and at the end");
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("Keeps many connections to an echo server busy and checks every byte");
    options wish;
    describe(app, wish);
    CLI11_PARSE(app, argc, argv);
    wish.connections = as_many_as_fit(wish.connections);
    return ramie::run([&wish] { return stress_run(wish).run(); });
} catch (const std::exception& error) {
    fmt::print(stderr, "stress_client: {}\n", error.what());
    return 1;
}
