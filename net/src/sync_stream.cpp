#include "ramie/net/detail/sync_stream.hpp"

#include <boost/asio/error.hpp>

namespace ramie::net::detail {

boost::system::error_code end_of_file() noexcept { return boost::asio::error::eof; }

}  // namespace ramie::net::detail
