// Descriptors that go to another process with a message, or come from one.
#pragma once

#include "calls.hpp"

namespace ramie::monkey::detail {

// After a message went out: the mode of what it passes is no longer ours alone to know.
void note_passed(const msghdr&) noexcept;

// After one has come: its numbers are new, and may have meant something else before.
void note_received(const msghdr&) noexcept;

}  // namespace ramie::monkey::detail
