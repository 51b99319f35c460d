#include "ramie/testing/seeded_scheduler.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <stdexcept>

#include "scheduler.hpp"
#include "schedules.hpp"

namespace ramie::testing {

namespace {

std::uint64_t wanted_or_new_seed() {
    const char* const wanted = std::getenv("RAMIE_SEED");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 0) : std::random_device{}();
}

}  // namespace

class seeded_scheduler::policy {
  public:
    explicit policy(std::uint64_t seed) : order_(detail::make_schedule(seed)) {
        ramie::detail::scheduler& mine = ramie::detail::scheduler::get();
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

seeded_scheduler::seeded_scheduler() : seeded_scheduler(wanted_or_new_seed()) {}

seeded_scheduler::seeded_scheduler(std::uint64_t seed)
    : seed_(seed),
      exceptions_(std::uncaught_exceptions()),
      policy_(std::make_unique<policy>(seed)) {}

seeded_scheduler::~seeded_scheduler() {
    if (std::uncaught_exceptions() > exceptions_)
        std::fprintf(stderr, "ramie: failed with RAMIE_SEED=%llu\n",
                     static_cast<unsigned long long>(seed_));
}

}  // namespace ramie::testing
