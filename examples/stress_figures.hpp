// What the connections of a stress run have counted together, and three ways to show it.
//
//     figures so_far;
//     so_far.begin("measuring");
//     so_far.add_answer(latency);
//     fmt::print("{}\n", so_far.as_table());

#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "histogram.hpp"

class figures {
  public:
    using clock = std::chrono::steady_clock;

    // Requests, latencies and time count from now on; connections and errors from the start.
    void begin(std::string_view phase) {
        phase_ = phase;
        began_ = clock::now();
        requests_ = 0;
        latencies_ = {};
        slowest_ = {};
    }

    // The time is over; answers that come later are not counted.
    void end() {
        phase_ = "finishing";
        ended_ = clock::now();
    }
    void finish() { phase_ = "done"; }

    void add_connection() { ++connections_; }

    void add_answer(clock::duration latency) {
        if (has_ended()) return;
        ++requests_;
        latencies_.add(std::chrono::nanoseconds(latency).count());
        slowest_ = std::max(slowest_, latency);
    }

    void add_error(std::string what) {
        if (errors_++ == 0) first_error_ = std::move(what);
    }

    std::size_t errors() const { return errors_; }
    bool has_ended() const { return ended_ != clock::time_point::max(); }

    std::string as_complaint() const {
        if (errors_ == 1) return first_error_;
        return fmt::format("{} connections failed, the first: {}", errors_, first_error_);
    }

    std::string as_line() const {
        return fmt::format(
            "{:>10} {:3.0f} s: {} connections, {:.0f} requests/s, p50 {}, p99 {}, {} errors",
            phase_, seconds(), connections_, rate(), percentile(50), percentile(99), errors_);
    }

    std::string as_json() const {
        return fmt::format(
            R"({{"phase": "{}", "seconds": {:.3f}, "connections": {}, "requests": {}, )"
            R"("requests_per_second": {:.0f}, "p50_us": {:.1f}, "p90_us": {:.1f}, )"
            R"("p99_us": {:.1f}, "p999_us": {:.1f}, "max_us": {:.1f}, "errors": {}}})",
            phase_, seconds(), connections_, requests_, rate(), latencies_.percentile_us(50),
            latencies_.percentile_us(90), latencies_.percentile_us(99),
            latencies_.percentile_us(99.9), microseconds(slowest_), errors_);
    }

    std::string as_table() const {
        std::string table;
        const auto row = [&table](std::string_view name, const auto& value) {
            fmt::format_to(std::back_inserter(table), "{:<15}{:>12}\n", name, value);
        };
        row("connections", connections_);
        row("requests", requests_);
        row("requests/s", fmt::format("{:.0f}", rate()));
        row("latency p50", percentile(50));
        row("latency p90", percentile(90));
        row("latency p99", percentile(99));
        row("latency p99.9", percentile(99.9));
        row("latency max", as_time(microseconds(slowest_)));
        row("errors", errors_);
        return table;
    }

  private:
    static double microseconds(clock::duration d) {
        return std::chrono::duration<double, std::micro>(d).count();
    }

    static std::string as_time(double us) {
        if (us < 1e3) return fmt::format("{:.0f} us", us);
        return us < 1e6 ? fmt::format("{:.1f} ms", us / 1e3) : fmt::format("{:.2f} s", us / 1e6);
    }

    std::string percentile(double percent) const {
        return as_time(latencies_.percentile_us(percent));
    }

    double seconds() const {
        return std::chrono::duration<double>(std::min(clock::now(), ended_) - began_).count();
    }

    double rate() const { return static_cast<double>(requests_) / seconds(); }

    std::string_view phase_;
    clock::time_point began_;
    clock::time_point ended_ = clock::time_point::max();
    std::size_t connections_ = 0;
    std::uint64_t requests_ = 0;
    histogram latencies_;
    clock::duration slowest_{};
    std::size_t errors_ = 0;
    std::string first_error_;
};
