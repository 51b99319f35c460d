// What goes to people when nobody in the program asks for it.
#pragma once

#include <exception>
#include <string>

namespace ramie::detail {

// Takes the calling thread's exceptions that nobody else takes, when the program has no handler.
class unhandled_sink {
  public:
    virtual void take(const std::string& where, const std::exception_ptr&) = 0;

  protected:
    unhandled_sink() = default;
    unhandled_sink(const unhandled_sink&) = default;
    unhandled_sink& operator=(const unhandled_sink&) = default;
    ~unhandled_sink() = default;
};
inline constinit thread_local unhandled_sink* current_unhandled_sink = nullptr;

// Its type and what it says.
std::string describe_exception(const std::exception_ptr&);

// An exception that nobody takes, to the program's handler or else to stderr.
void report_unhandled(const std::string& where, const std::exception_ptr& error) noexcept;

// The fibers that survived the end of run().
void report_abandoned(const std::string& fibers) noexcept;

}  // namespace ramie::detail
