// One run of a test's code on a scheduler of its own, and what went wrong in it.
#pragma once

#include <functional>
#include <string>

#include "schedules.hpp"

namespace ramie::testing::detail {

// Empty: nothing. Of several problems the first.
std::string run_under(ramie::detail::schedule_hook&, const std::function<void()>& model);

}  // namespace ramie::testing::detail
