// Questions that threads answer, equal ones at the same time only once; see ramie/resolver.hpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ramie/deadline.hpp"
#include "ramie/detail/wait_queue.hpp"

namespace ramie::detail {

// Shared by all who asked, and maybe kept: it does not change.
struct answer_base {
    virtual ~answer_base() = default;
    // Whether it may be kept, and as what.
    enum class worth : std::uint8_t { nothing, a_failure, a_success };
    worth kept_as = worth::nothing;
};
using answer_pointer = std::shared_ptr<const answer_base>;

struct asked {
    // Null: see the reason; granted and null: there was no thread or no memory for it.
    answer_pointer answer;
    wake reason = wake::granted;
};

// `key` tells questions apart. `find`, called on a thread that takes no signals, must own what it
// uses: a fiber that is killed leaves at once and its answer is dropped. timed_out at the deadline
// or at the limit of the resolver; interrupted leaves the interrupt pending. Throws std::bad_alloc.
// Suspends the calling fiber.
asked ask(const std::string& key, std::function<answer_pointer()> find, deadline until = {});

// Calls `work`, which may use the frame of its caller, on one of those threads, and waits for its
// end, whatever interrupts it. Throws what starting it throws. Suspends the calling fiber.
void work_on_thread(std::function<void()> work);

}  // namespace ramie::detail
