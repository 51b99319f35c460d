// librabbitmq: each fiber holds a connection and a queue of its own.

#include <amqp.h>
#include <amqp_tcp_socket.h>

#include <memory>

#include "client.hpp"

namespace {

using client::require;

constexpr amqp_channel_t channel = 1;

struct destroy {
    void operator()(amqp_connection_state_t c) const noexcept { amqp_destroy_connection(c); }
};
using connection = std::unique_ptr<amqp_connection_state_t_, destroy>;

void require_normal(const amqp_rpc_reply_t& reply, const char* call) {
    require(reply.reply_type == AMQP_RESPONSE_NORMAL,
            std::string(call) + ": " +
                (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION
                     ? amqp_error_string2(reply.library_error)
                     : "refused by the server"));
}

void require_normal(const connection& c, const char* call) {
    require_normal(amqp_get_rpc_reply(c.get()), call);
}

connection connect(int port) {
    connection c(amqp_new_connection());
    const int status = amqp_socket_open(amqp_tcp_socket_new(c.get()), "127.0.0.1", port);
    require(status == AMQP_STATUS_OK, amqp_error_string2(status));
    require_normal(amqp_login(c.get(), "/", AMQP_DEFAULT_MAX_CHANNELS, AMQP_DEFAULT_FRAME_SIZE, 0,
                              AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
                   "login");
    amqp_channel_open(c.get(), channel);
    require_normal(c, "channel.open");
    return c;
}

void disconnect(const connection& c) {
    require_normal(amqp_connection_close(c.get(), AMQP_REPLY_SUCCESS), "connection.close");
}

std::string_view view(amqp_bytes_t b) { return {static_cast<const char*>(b.bytes), b.len}; }
amqp_bytes_t bytes(const std::string& s) { return {s.size(), const_cast<char*>(s.data())}; }

// Messages that are left in it.
long declare(const connection& c, const std::string& queue, bool passive) {
    const amqp_queue_declare_ok_t* const ok = amqp_queue_declare(
        c.get(), channel, bytes(queue), passive, false, false, false, amqp_empty_table);
    require_normal(c, "queue.declare");
    return ok->message_count;
}

void wait_for_confirmation(const connection& c) {
    amqp_frame_t frame;
    require(amqp_simple_wait_frame(c.get(), &frame) == AMQP_STATUS_OK, "no confirmation");
    require(
        frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD,
        "not a confirmation");
}

void publish(const connection& c, const std::string& queue, int messages) {
    amqp_confirm_select(c.get(), channel);
    require_normal(c, "confirm.select");
    for (int i = 0; i != messages; ++i) {
        const std::string body = queue + ":" + std::to_string(i);
        const int status = amqp_basic_publish(c.get(), channel, amqp_empty_bytes, bytes(queue),
                                              true, false, nullptr, bytes(body));
        require(status == AMQP_STATUS_OK, amqp_error_string2(status));
        wait_for_confirmation(c);
    }
}

long consume(const connection& c, const std::string& queue, int messages) {
    amqp_basic_consume(c.get(), channel, bytes(queue), amqp_empty_bytes, false, false, false,
                       amqp_empty_table);
    require_normal(c, "basic.consume");
    for (int i = 0; i != messages; ++i) {
        amqp_envelope_t got;
        amqp_maybe_release_buffers(c.get());
        require_normal(amqp_consume_message(c.get(), &got, nullptr, 0), "consume");
        const bool right = view(got.message.body) == queue + ":" + std::to_string(i);
        amqp_basic_ack(c.get(), channel, got.delivery_tag, false);
        amqp_destroy_envelope(&got);
        require(right, "a message out of order");
    }
    return messages;
}

// Every other fiber consumes, from its own connection, what its neighbour publishes.
// acknowledged PORT FIBERS MESSAGES
void acknowledged(const client::arguments& given) {
    const int messages = std::stoi(given.rest.at(0));
    long consumed = 0;
    client::in_fibers(given.fibers, [&](int fiber) {
        const std::string queue = "pair" + std::to_string(fiber / 2);
        const connection c = connect(given.port);
        declare(c, queue, false);
        if (fiber % 2 == 0)
            consumed += consume(c, queue, messages);
        else
            publish(c, queue, messages);
        disconnect(c);
    });
    const connection last = connect(given.port);
    long left = 0;
    for (int pair = 0; pair != given.fibers / 2; ++pair)
        left += declare(last, "pair" + std::to_string(pair), true);
    disconnect(last);
    client::print("consumed", consumed);
    client::print("left", left);
}

}  // namespace

int main(int argc, char** argv) {
    return client::main(argc, argv, {{"acknowledged", &acknowledged}});
}
