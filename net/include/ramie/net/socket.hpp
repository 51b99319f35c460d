// The sockets of ramie, in blocking style.
//
//     ramie::net::tcp_listener listener(":7000");
//     auto client = ramie::net::tcp_stream::connect({"127.0.0.1", 7000});
//     auto server = listener.accept();
//     client.write_all("hello");
// Connecting, accepting, reading and writing suspend the calling fiber; all else never suspends.
#pragma once

#include "ramie/net/endpoint.hpp"
#include "ramie/net/errors.hpp"
#include "ramie/net/listener.hpp"
#include "ramie/net/stream.hpp"
