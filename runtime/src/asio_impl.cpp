// The one place where Asio is compiled; everything else only declares it.
#include <boost/asio/impl/src.hpp>
