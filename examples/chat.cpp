// Two people type lines to each other, over TCP or UDP. What is typed and what comes is waited for
// by a fiber each, in plain blocking calls.
//
//     chat listen --port 7000           in one terminal
//     chat connect --port 7000          in another; with --udp in both, by datagrams
//
// Q on a line of its own, or the end of input, leaves; when one has left, the other ends, too. Exit
// status 1 when the other was lost. With --plain nothing is patched: then you hear the other only
// when you have said all.

#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <ramie/fiber.hpp>
#include <ramie/monkey.hpp>
#include <ramie/run.hpp>
#include <string>
#include <vector>

#include "listening.hpp"

namespace {

using namespace std::chrono_literals;

struct options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    bool listens = false;
    bool udp = false;
    bool plain = false;
};

// Q ends the chat also when nobody has come: then the call that waits for him is cancelled.
void give_up(const char* call) {
    if (errno != ECANCELED) fail(call);
}

// The first to come is the other one, and the only one.
int accept_one(const options& wish) {
    const int listener = listen_on(wish.port, wish.host);
    const int peer = accept(listener, nullptr, nullptr);
    if (peer < 0) give_up("accept");
    close(listener);
    return peer;
}

// The same of datagrams: who sends the first one, which stays to be received.
int hear_from_one(const options& wish) {
    const int bound = bound_socket(SOCK_DGRAM, address_of(wish.host, wish.port));
    say_where(bound);
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    auto* const address = reinterpret_cast<sockaddr*>(&peer);
    char first;
    if (recvfrom(bound, &first, 1, MSG_PEEK, address, &size) < 0)
        give_up("recvfrom");
    else if (connect(bound, address, size) != 0)
        fail("connect");
    return bound;
}

int reach(const options& wish) {
    const int peer = socket(AF_INET, wish.udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (peer < 0) fail("socket");
    const sockaddr_in where = address_of(wish.host, wish.port);
    if (connect(peer, as_generic(where), sizeof where) != 0) fail("connect");
    return peer;
}

int meet(const options& wish) {
    if (!wish.listens) return reach(wish);
    return wish.udp ? hear_from_one(wish) : accept_one(wish);
}

// Of a stream the end, and of datagrams an empty one: both are received as nothing.
void take_leave(int peer, bool udp) {
    if (udp)
        send(peer, "", 0, MSG_NOSIGNAL);
    else
        shutdown(peer, SHUT_WR);
}

// What is typed. False when it could not be said.
bool say(const ramie::fiber<int>& meeting, bool udp) {
    for (std::string line; std::getline(std::cin, line) && line != "Q";) {
        line += '\n';
        if (send(meeting.get(), line.data(), line.size(), MSG_NOSIGNAL) >= 0) continue;
        const bool is_too_long = errno == EMSGSIZE;  // for a datagram
        std::perror("send");
        if (!is_too_long) return false;
    }
    if (meeting.ready()) take_leave(meeting.get(), udp);
    return true;
}

// Takes from `heard` what can be shown: whole lines, and with `all` the rest.
void show(std::string& heard, bool all) {
    if (all && !heard.empty() && heard.back() != '\n') heard += '\n';
    std::string shown;
    for (std::size_t end; (end = heard.find('\n') + 1) != 0; heard.erase(0, end))
        shown += "> " + heard.substr(0, end);
    // Not printf: it would hold up the fiber that listens to the keyboard when nobody reads.
    if (!shown.empty() && write(STDOUT_FILENO, shown.data(), shown.size()) < 0) fail("write");
}

// What comes. False when it broke off.
bool hear(const ramie::fiber<int>& meeting, bool udp) {
    const int peer = meeting.get();
    constexpr std::size_t longest = 65536;  // of a datagram, and of a line that comes in pieces
    std::string buffer(longest, '\0');
    std::string heard;
    ssize_t got;
    while ((got = recv(peer, buffer.data(), longest, 0)) > 0) {
        heard.append(buffer, 0, static_cast<std::size_t>(got));
        show(heard, udp || heard.size() > longest);
    }
    if (got < 0) std::perror("recv");
    show(heard, true);
    std::fputs("the other has left\n", stderr);
    take_leave(peer, udp);
    return got == 0;
}

int chat(const options& wish) {
    const auto meeting = ramie::spawn(meet, wish);
    if (!wish.listens) meeting.join();  // that nobody answers is to be told
    const auto mouth = ramie::spawn(say, meeting, wish.udp);
    const auto ear = ramie::spawn(hear, meeting, wish.udp);
    ramie::wait_any(std::vector{mouth, ear});
    if (meeting.ready()) ear.join(1s);  // what is on its way still comes
    const auto has_failed = [](const ramie::fiber<bool>& f) { return f.ready() && !f.get(); };
    return has_failed(mouth) || has_failed(ear) ? 1 : 0;
}

CLI::App* add_mode(CLI::App& app, const char* name, const char* does) {
    return app.add_subcommand(name, does)->fallthrough();
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("Two people type lines to each other; Q ends");
    options wish;
    app.add_option("--host", wish.host, "numeric address")
        ->check(CLI::ValidIPV4)
        ->capture_default_str();
    app.add_option("--port", wish.port, "0, to listen: one that is free")->capture_default_str();
    app.add_flag("--udp", wish.udp, "datagrams, not a stream");
    app.add_flag("--plain", wish.plain, "leave the calls of libc as they are");
    const CLI::App* const listen = add_mode(app, "listen", "wait for the other");
    add_mode(app, "connect", "to one who listens");
    app.require_subcommand(1);
    CLI11_PARSE(app, argc, argv);
    wish.listens = listen->parsed();

    if (!wish.plain) ramie::monkey::patch_all();
    return ramie::run([&wish] { return chat(wish); });
} catch (const std::exception& error) {
    return complain(error);
}
