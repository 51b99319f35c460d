// One connection of a stress run: keeps requests in flight and checks every byte that comes back.
//
//     conversation talk(plan, 17, so_far);
//     talk.begin();                         // connects; the first request is answered
//     while (!enough) talk.go_on();
//     talk.end();                           // nothing is missing and nothing is left over
//
// Each of them throws an exception derived from std::exception when the connection has failed.
// Every call suspends the calling fiber.

#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ramie/net/socket.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "pattern.hpp"
#include "stress_figures.hpp"

struct conversation_plan {
    ramie::net::endpoint server;
    std::size_t size = 64;                                         // bytes of a request
    std::size_t pipeline = 1;                                      // requests in flight
    std::chrono::nanoseconds patience = std::chrono::seconds(10);  // what takes longer is lost
};

class conversation {
  public:
    conversation(const conversation_plan& plan, std::uint64_t number, figures& all)
        : plan_(plan),
          number_(number),
          all_(all),
          buffer_(std::min(plan.size * plan.pipeline, window)),
          issued_at_(plan.pipeline) {}

    void begin() {
        peer_ = ramie::net::tcp_stream::connect(plan_.server, plan_.patience);
        issue();
        take_all_answers();
    }

    void go_on() {
        while (issued_ < answered_ + plan_.pipeline) issue();
        exchange();
    }

    void end() {
        take_all_answers();
        peer_.shutdown(ramie::net::side::write);
        if (peer_.read_some(buffer_, plan_.patience) != 0)
            fail("more bytes came back than were sent");
        peer_.close();
    }

  private:
    // Bytes in flight that the kernel's buffers hold for sure: with more, server and client might
    // wait for each other to read.
    static constexpr std::size_t window = 32 * 1024;

    void issue() { issued_at_[issued_++ % plan_.pipeline] = figures::clock::now(); }

    void take_all_answers() {
        while (answered_ < issued_) exchange();
    }

    void exchange() {
        send();
        receive();
    }

    void send() {
        const std::uint64_t end = std::min(issued_ * plan_.size, received_ + window);
        while (sent_ < end) {
            const auto bytes = expected(sent_, std::min(end - sent_, buffer_.size()));
            // A copy: while this fiber waits, the others use the pattern.
            std::ranges::copy(bytes, buffer_.begin());
            peer_.write_all(std::span(buffer_).first(bytes.size()), plan_.patience);
            sent_ += bytes.size();
        }
    }

    void receive() {
        const std::size_t count = peer_.read_some(buffer_, plan_.patience);
        if (count == 0) fail("the server has closed it");
        if (count > sent_ - received_) fail("more bytes came back than were sent");
        if (!std::ranges::equal(std::span(buffer_).first(count), expected(received_, count)))
            fail("wrong bytes");
        received_ += count;
        for (const auto now = figures::clock::now(); received_ >= (answered_ + 1) * plan_.size;
             ++answered_)
            all_.add_answer(now - issued_at_[answered_ % plan_.pipeline]);
    }

    std::span<const char> expected(std::uint64_t offset, std::size_t size) const {
        static pattern bytes_of;
        return bytes_of(number_, offset, size);
    }

    [[noreturn]] void fail(const char* what) const {
        throw std::runtime_error(fmt::format("connection {}: {} after {} right bytes, {} are due",
                                             number_, what, received_, sent_ - received_));
    }

    const conversation_plan& plan_;
    const std::uint64_t number_;
    figures& all_;
    ramie::net::tcp_stream peer_;
    std::vector<char> buffer_;  // to send, then to receive
    std::uint64_t issued_ = 0;  // requests
    std::uint64_t answered_ = 0;
    std::uint64_t sent_ = 0;  // bytes
    std::uint64_t received_ = 0;
    std::vector<figures::clock::time_point> issued_at_;  // of the requests in flight, a ring
};
