#include "ramie/testing/virtual_clock.hpp"

#include <stdexcept>

#include "scheduler.hpp"

namespace ramie::testing {

virtual_clock::virtual_clock(std::chrono::nanoseconds grace)
    : start_(detail::scheduler::get().now()) {
    detail::scheduler& mine = detail::scheduler::get();
    if (mine.virtual_now != 0)
        throw std::logic_error("ramie: this thread has a virtual clock already");
    mine.virtual_now = start_;
    mine.set_virtual_grace(grace.count());
}

virtual_clock::~virtual_clock() {
    if (detail::scheduler* mine = detail::scheduler::find()) mine->virtual_now = 0;
}

std::chrono::nanoseconds virtual_clock::elapsed() const noexcept {
    return std::chrono::nanoseconds(detail::now_ns() - start_);
}

void virtual_clock::advance(std::chrono::nanoseconds by) noexcept {
    detail::scheduler::get().virtual_now += by.count();
}

}  // namespace ramie::testing
