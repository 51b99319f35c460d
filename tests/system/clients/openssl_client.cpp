// OpenSSL over blocking sockets: each fiber does a handshake, as a client, as a server.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <csignal>
#include <memory>

#include "client.hpp"

namespace {

using client::require;

struct free_it {
    void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
    void operator()(BIO* b) const noexcept { BIO_free_all(b); }
};
using context = std::unique_ptr<SSL_CTX, free_it>;
using bio = std::unique_ptr<BIO, free_it>;

constexpr std::size_t message_size = 65536;

void require_success(bool done) {
    if (!done) client::fail(ERR_error_string(ERR_get_error(), nullptr));
}

// Of a certificate and a key in one PEM file.
context server_context(const std::string& identity) {
    context c(SSL_CTX_new(TLS_server_method()));
    require_success(SSL_CTX_use_certificate_chain_file(c.get(), identity.c_str()) == 1 &&
                    SSL_CTX_use_PrivateKey_file(c.get(), identity.c_str(), SSL_FILETYPE_PEM) == 1);
    return c;
}

context client_context(const std::string& authority) {
    context c(SSL_CTX_new(TLS_client_method()));
    require_success(SSL_CTX_load_verify_locations(c.get(), authority.c_str(), nullptr) == 1);
    SSL_CTX_set_verify(c.get(), SSL_VERIFY_PEER, nullptr);
    return c;
}

bio listen() {
    bio b(BIO_new_accept("127.0.0.1:0"));
    require_success(BIO_do_accept(b.get()) == 1);
    return b;
}

bio next_connection(const bio& listener) {
    require_success(BIO_do_accept(listener.get()) == 1);
    return bio(BIO_pop(listener.get()));
}

bio secured(const context& c, bio connection) {
    BIO* const filter = BIO_new_ssl(c.get(), 0);
    bio both(BIO_push(filter, connection.release()));
    require_success(BIO_do_handshake(both.get()) == 1);
    return both;
}

bio connect(const context& c, const std::string& port) {
    bio b(BIO_new_ssl_connect(c.get()));
    SSL* ssl = nullptr;
    BIO_get_ssl(b.get(), &ssl);
    SSL_set1_host(ssl, "localhost");
    BIO_set_conn_hostname(b.get(), ("127.0.0.1:" + port).c_str());
    require_success(BIO_do_connect(b.get()) == 1 && BIO_do_handshake(b.get()) == 1);
    return b;
}

void write_all(const bio& b, std::string_view data) {
    while (!data.empty()) {
        const int n = BIO_write(b.get(), data.data(), static_cast<int>(data.size()));
        require_success(n > 0);
        data.remove_prefix(static_cast<std::size_t>(n));
    }
}

// Empty at the end of the stream.
std::string read_some(const bio& b) {
    std::array<char, 16384> room;
    const int n = BIO_read(b.get(), room.data(), static_cast<int>(room.size()));
    return {room.data(), static_cast<std::size_t>(n > 0 ? n : 0)};
}

std::string read_exactly(const bio& b, std::size_t size) {
    std::string all;
    while (all.size() < size) {
        const std::string some = read_some(b);
        require(!some.empty(), "the stream ended too soon");
        all += some;
    }
    return all;
}

std::string message_of(int fiber) {
    std::string message(message_size, ' ');
    for (std::size_t i = 0; i != message.size(); ++i)
        message[i] = static_cast<char>(13 * i + static_cast<std::size_t>(fiber));
    return message;
}

void echo(const bio& b) {
    for (;;) {
        const std::string some = read_some(b);
        if (some.empty()) return;
        write_all(b, some);
    }
}

// Both ends are fibers. both 0 FIBERS IDENTITY AUTHORITY
void both(const client::arguments& given) {
    const context serving = server_context(given.rest.at(0));
    const context asking = client_context(given.rest.at(1));
    const bio listener = listen();
    const std::string port = BIO_get_accept_port(listener.get());
    long right = 0;
    client::meeting all(given.fibers);
    const ramie::fiber<> server = ramie::spawn([&] {
        for (int i = 0; i != given.fibers; ++i) {
            ramie::spawn([&, taken = next_connection(listener)]() mutable {
                echo(secured(serving, std::move(taken)));
            });
        }
    });
    client::in_fibers(given.fibers, [&](int fiber) {
        const bio b = connect(asking, port);
        require(all.come(), "not all have shaken hands at once");
        const std::string message = message_of(fiber);
        write_all(b, message);
        if (read_exactly(b, message.size()) == message) ++right;
    });
    server.get();
    client::print("right", right);
}

std::string read_line(const bio& b) {
    std::string line;
    while (line.empty() || line.back() != '\n') {
        const std::string some = read_some(b);
        require(!some.empty(), "the stream ended within a line");
        line += some;
    }
    return line;
}

// A line from each of that many clients, sent back. serve 0 CLIENTS IDENTITY
void serve(const client::arguments& given) {
    const context serving = server_context(given.rest.at(0));
    const bio listener = listen();
    std::printf("listening %s\n", BIO_get_accept_port(listener.get()));
    std::fflush(stdout);
    std::vector<ramie::fiber<>> conversations;
    for (int i = 0; i != given.fibers; ++i) {
        conversations.push_back(ramie::spawn([&, taken = next_connection(listener)]() mutable {
            const bio b = secured(serving, std::move(taken));
            write_all(b, read_line(b));
            BIO_ssl_shutdown(b.get());
        }));
    }
    for (const ramie::fiber<>& each : conversations) each.get();
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    return client::main(argc, argv, {{"both", &both}, {"serve", &serve}});
}
