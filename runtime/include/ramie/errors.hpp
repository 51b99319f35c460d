// The exceptions that ramie itself throws.
//
//     try { worker.get(); }
//     catch (const ramie::timeout_expired& e) { log(e.what()); }   // also a std::system_error
//     catch (const std::system_error& e) { log(e.what()); }        // the call and the reason
//
// What the world does to a program derives from std::system_error; what is wrong in the program
// itself (a handle of another thread, a wait on the loop, an empty callable) is a std::logic_error.
// fiber_exit and system_exit derive from nothing, so that a `catch (const std::exception&)` in the
// middle of a program cannot swallow them.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace ramie {

// Thrown at the suspension point of a fiber that is killed. Let it pass: destructors run, the fiber
// ends quietly and counts as successful. A fiber may catch it and live on. Never suspends.
struct fiber_exit {};

// Ends the program in an orderly way from any fiber: it surfaces in the main fiber, and run()
// returns `code` after the other fibers were unwound. Never suspends.
struct system_exit {
    int code = 0;
};

// A deadline passed, of one call or of the `timeout` scope around it. code() is ETIMEDOUT.
class timeout_expired : public std::system_error {
  public:
    // `owner` is the scope that expired, null for the deadline of a call. Never suspends.
    explicit timeout_expired(const std::string& what, const void* owner = nullptr)
        : std::system_error(ETIMEDOUT, std::generic_category(), what), owner_(owner) {}

    // The `timeout` object that expired; compare it with the address of yours. Never suspends.
    [[nodiscard]] const void* owner() const noexcept { return owner_; }

  private:
    const void* owner_;
};

// Nothing is ready, nothing is awaited and the main fiber waits for ever. code() is EDEADLK; what()
// lists every parked fiber and what it waits for.
class deadlock_error : public std::system_error {
  public:
    // Never suspends.
    explicit deadlock_error(const std::string& what)
        : std::system_error(EDEADLK, std::generic_category(), what) {}
};

// The work was cancelled before it began, or the fiber that did it was killed. code() is ECANCELED.
class future_cancelled : public std::system_error {
  public:
    // Never suspends.
    explicit future_cancelled(const std::string& what = "ramie: future")
        : std::system_error(ECANCELED, std::generic_category(), what) {}
};

}  // namespace ramie
