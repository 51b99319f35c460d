// The same echo server in idiomatic Asio: one thread, callbacks, a shared_ptr for each session.
// Header-only Boost.Asio, nothing of ramie, so that it stands for Asio as its users have it.
//
//     asio_echo --port 0      prints "listening PORT", serves 127.0.0.1 until SIGTERM

#include <array>
#include <boost/asio.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class session : public std::enable_shared_from_this<session> {
  public:
    explicit session(tcp::socket socket) : socket_{std::move(socket)} {}

    void read() {
        socket_.async_read_some(asio::buffer(buffer_),
                                [self = shared_from_this()](error_code error, std::size_t size) {
                                    if (!error) self->write(size);
                                });
    }

  private:
    void write(std::size_t size) {
        asio::async_write(socket_, asio::buffer(buffer_, size),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              if (!error) self->read();
                          });
    }

    tcp::socket socket_;
    std::array<char, 4096> buffer_;
};

class server {
  public:
    server(asio::io_context& io, std::uint16_t port)
        : acceptor_{io, {asio::ip::address_v4::loopback(), port}} {
        accept();
    }

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  private:
    void accept() {
        acceptor_.async_accept([this](error_code error, tcp::socket socket) {
            if (error) throw boost::system::system_error{error, "accept"};
            socket.set_option(tcp::no_delay{true}, error);
            std::make_shared<session>(std::move(socket))->read();
            accept();
        });
    }

    tcp::acceptor acceptor_;
};

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 3 || std::strcmp(argv[1], "--port") != 0) {
        std::fprintf(stderr, "usage: %s --port PORT\n", argv[0]);
        return 2;
    }
    asio::io_context io{1};
    asio::signal_set stop{io, SIGTERM};
    stop.async_wait([&io](error_code, int) { io.stop(); });
    const server echo{io, static_cast<std::uint16_t>(std::atoi(argv[2]))};
    std::printf("listening %d\n", echo.port());
    std::fflush(stdout);
    io.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "asio_echo: %s\n", error.what());
    return 1;
}
