// What goes to people when nobody in the program asks for it.
#pragma once

#include <exception>
#include <string>

namespace ramie::detail {

// An exception that nobody takes, to the program's handler or else to stderr.
void report_unhandled(const std::string& where, const std::exception_ptr& error) noexcept;

// The fibers that survived the end of run().
void report_abandoned(const std::string& fibers) noexcept;

}  // namespace ramie::detail
