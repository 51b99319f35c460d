// A scope that no kill and no timeout breaks into.
//
//     {
//         const ramie::shield cleanup;
//         connection.write_all(farewell, 2s);       // waits, whatever happens to this fiber
//         connections.put(std::move(connection));
//     }                                             // a kill is delivered at the next wait
//
// Waits inside end as they would anyway, by their own deadlines too: give them one, for a `timeout`
// around them or inside does nothing until the shield is gone. A destructor that runs because of an
// exception needs no shield; it has one.
#pragma once

#include "ramie/detail/fiber_core.hpp"

namespace ramie {

class [[nodiscard]] shield {
  public:
    // For the calling fiber. Shields nest, a hundred deep; beyond that it throws
    // std::length_error. Never suspends.
    shield();

  private:
    detail::shielded_scope scope_;
};

}  // namespace ramie
