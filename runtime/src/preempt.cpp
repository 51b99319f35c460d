#include "ramie/testing/explore.hpp"
#include "scheduler.hpp"

namespace ramie::testing {

void preempt() {
    ramie::detail::scheduler* const mine = ramie::detail::scheduler::find();
    if (mine == nullptr || mine->hook() == nullptr || mine->in_hub()) return;
    mine->hook()->preempting = true;
    mine->yield();
}

}  // namespace ramie::testing
