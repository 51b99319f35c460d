#include "ramie/testing/seeded_scheduler.hpp"

#include <cstdio>
#include <exception>
#include <random>
#include <stdexcept>
#include <utility>

#include "scheduler.hpp"
#include "schedules.hpp"

namespace ramie::testing {

namespace {

std::uint64_t wanted_or_new_seed() {
    const auto wanted = detail::wanted_seed();
    return wanted ? *wanted : std::random_device{}();
}

}  // namespace

class seeded_scheduler::policy {
  public:
    explicit policy(std::uint64_t seed) {
        ramie::detail::scheduler& mine = ramie::detail::scheduler::get();
        order_ = detail::make_schedule(seed, mine.last_id() + 1);
        if (mine.hook() != nullptr)
            throw std::logic_error("ramie: this thread has a seeded scheduler already");
        mine.set_hook(order_.get());
    }
    ~policy() {
        if (auto* mine = ramie::detail::scheduler::find()) mine->set_hook(nullptr);
    }
    policy(const policy&) = delete;
    policy& operator=(const policy&) = delete;

  private:
    std::unique_ptr<detail::schedule> order_;
};

seeded_scheduler::seeded_scheduler(std::function<bool()> has_failed)
    : seeded_scheduler(wanted_or_new_seed(), std::move(has_failed)) {}

seeded_scheduler::seeded_scheduler(std::uint64_t seed, std::function<bool()> has_failed)
    : seed_(seed),
      exceptions_(std::uncaught_exceptions()),
      has_failed_(std::move(has_failed)),
      policy_(std::make_unique<policy>(seed)) {}

seeded_scheduler::~seeded_scheduler() {
    if (std::uncaught_exceptions() > exceptions_ || (has_failed_ && has_failed_()))
        std::fprintf(stderr, "ramie: failed with RAMIE_SEED=%llu\n",
                     static_cast<unsigned long long>(seed_));
}

}  // namespace ramie::testing
