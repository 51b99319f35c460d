// The handlers of signals, with ours in front of each: it keeps them off the fibers.
#pragma once

namespace ramie::monkey::detail {

// For every handler that is installed already.
void adopt_handlers() noexcept;

}  // namespace ramie::monkey::detail
